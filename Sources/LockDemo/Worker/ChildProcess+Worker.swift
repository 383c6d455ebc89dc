import ChildProcesses
import CommandSupport
import Foundation

/// The worker processes of the demonstration.
extension ChildProcess {
    /// Starts `LockDemo` as a worker with these arguments. The worker's ``lines`` are reports (``WorkerReport``).
    static func worker(_ arguments: [String], url: String) throws -> ChildProcess {
        try ChildProcess(
            [ownProgram] + arguments,
            environment: ProcessInfo.processInfo.environment.merging(["PGLOCK_URL": url]) { $1 },
            input: .pipe,
            output: .pipe,
            surroundings: .ownGroup
        )
    }

    func tell(_ order: WorkerOrder) {
        write(order.rawValue)
    }

    /// Kills the worker and waits until it has ended.
    func end() async {
        signal(SIGKILL)
        _ = await waitForEnd()
    }

    private static var ownProgram: String {
        get throws {
            // /proc/self/exe is this program even if its file has been replaced since the start.
            let linux = "/proc/self/exe"
            guard access(linux, X_OK) != 0 else { return linux }
            guard let path = Bundle.main.executablePath else {
                throw CommandFailure(ExitStatus.systemError, "LockDemo can't find the file of its own program.")
            }
            return path
        }
    }
}
