package import ChildProcesses
import Foundation

extension ChildProcess {
    /// Starts one of the tests' own programs.
    package static func helper(_ name: String, _ arguments: [String]) throws -> ChildProcess {
        let folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return try ChildProcess([folder.appendingPathComponent(name).path] + arguments, output: .pipe, surroundings: .ownGroup)
    }

    /// Starts a program that is talked to. What it writes to its error output comes with the rest.
    package static func conversation(_ program: String, _ arguments: [String]) throws -> ChildProcess {
        // Writing to one that has ended is to be an error, not the end of the tests.
        Foundation.signal(SIGPIPE, SIG_IGN)
        return try ChildProcess([program] + arguments, input: .pipe, output: .pipe, error: .output, surroundings: .ownGroup)
    }

    /// Waits for its end.
    ///
    /// - Returns: What a shell makes of it.
    package func status() async -> Int32 {
        await waitForEnd().status
    }
}
