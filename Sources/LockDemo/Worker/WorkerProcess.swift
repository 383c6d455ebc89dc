import CommandSupport
import Dispatch
import Foundation

/// A worker, seen from the demonstration.
final class WorkerProcess: Sendable {
    private let process: Subprocess
    private let orders: Int32

    /// Starts a worker by these arguments of `LockDemo`. Its reports come on some thread, its end once, after the last of them.
    init(
        _ arguments: [String],
        url: String,
        onReport: @escaping @Sendable (WorkerReport) -> Void,
        onEnd: @escaping @Sendable (Subprocess.Ending) -> Void
    ) throws {
        let input = try PipeEnds()
        let output = try PipeEnds()
        defer {
            close(input.reading)
            close(output.writing)
        }
        do {
            process = try Subprocess(
                Self.ourselves,
                arguments: (["LockDemo"] + arguments).map { Array($0.utf8CString) },
                environment: ChildEnvironment.bytes(changing: ["PGLOCK_URL": url]),
                streams: (input.reading, output.writing),
                // A Ctrl-C in the terminal is for us, who then end the workers.
                hasOwnGroup: true
            )
        } catch {
            close(input.writing)
            close(output.reading)
            throw error
        }
        orders = input.writing
        let process = self.process
        DispatchQueue(label: "pglock.worker").async {
            LineReader.read(output.reading) { line in
                if let report = WorkerReport(line: line) { onReport(report) }
            }
            close(output.reading)
            Task { onEnd(await process.waitForEnd()) }
        }
    }

    deinit {
        close(orders)
    }

    func tell(_ order: WorkerOrder) {
        // One that has ended does not read it, and needs no orders.
        _ = Descriptor.write(order.rawValue + "\n", to: orders)
    }

    func signal(_ number: Int32) {
        process.send(number)
    }

    /// Ends the worker and waits until it has ended.
    func kill() async {
        process.send(SIGKILL)
        _ = await process.waitForEnd()
    }

    private static var ourselves: Program {
        get throws {
            // What /proc/self/exe names is us even if our file was replaced meanwhile.
            let linux = "/proc/self/exe"
            guard access(linux, X_OK) != 0 else { return Program(path: Array(linux.utf8CString)) }
            guard let path = Bundle.main.executablePath else {
                throw CommandFailure(ExitStatus.systemError, "LockDemo can't find its own program.")
            }
            return Program(path: Array(path.utf8CString))
        }
    }
}
