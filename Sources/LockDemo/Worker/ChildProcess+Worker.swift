import ChildProcesses
import CommandSupport
import Foundation

/// Workers, seen from the demonstration.
extension ChildProcess {
    /// Starts a worker by these arguments of `LockDemo`. Its ``lines`` are reports.
    static func worker(_ arguments: [String], url: String) throws -> ChildProcess {
        try ChildProcess(
            [ourselves] + arguments,
            environment: ProcessInfo.processInfo.environment.merging(["PGLOCK_URL": url]) { $1 },
            input: .pipe,
            output: .pipe,
            surroundings: .ownGroup
        )
    }

    func tell(_ order: WorkerOrder) {
        write(order.rawValue)
    }

    /// Ends the worker and waits until it has ended.
    func end() async {
        signal(SIGKILL)
        _ = await waitForEnd()
    }

    private static var ourselves: String {
        get throws {
            // What /proc/self/exe names is us even if our file was replaced meanwhile.
            let linux = "/proc/self/exe"
            guard access(linux, X_OK) != 0 else { return linux }
            guard let path = Bundle.main.executablePath else {
                throw CommandFailure(ExitStatus.systemError, "LockDemo can't find its own program.")
            }
            return path
        }
    }
}
