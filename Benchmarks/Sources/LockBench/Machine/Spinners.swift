import ChildProcesses
import Foundation

/// Processes that keep cores awake: one for each core, with the scheduling class SCHED_IDLE, so that it runs only while nothing else wants
/// the core.
struct Spinners: Sendable {
    private let processes: [ChildProcess]

    /// The processes' ids.
    var processIdentifiers: [Int32] { processes.map(\.processIdentifier) }

    /// Runs a body while spinners run on these cores, and ends them.
    ///
    /// A spinner also ends when this process ends in any way, because then the system closes its input.
    static func running<Result>(on cores: [Int], _ body: (Spinners) async throws -> Result) async throws -> Result {
        let spinners = try Spinners(cores: cores)
        do {
            // A spinner must run before the measurement begins.
            try await Task.sleep(for: .milliseconds(100))
            let result = try await body(spinners)
            await spinners.end()
            return result
        } catch {
            await spinners.end()
            throw error
        }
    }

    private init(cores: [Int]) throws {
        let program = try Child.ownProgram
        processes = try cores.map { core in
            let command = ["taskset", "--cpu-list", "\(core)", "chrt", "--idle", "0", program, "worker", WorkerKind.spinner.rawValue]
            return try ChildProcess(["/usr/bin/env"] + command, input: .pipe, output: .null, error: .null)
        }
    }

    private func end() async {
        for process in processes {
            process.signal(SIGKILL)
            process.closeInput()
        }
        for process in processes { _ = await process.waitForEnd() }
    }
}
