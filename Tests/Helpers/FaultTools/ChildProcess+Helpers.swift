package import ChildProcesses
import Foundation

extension ChildProcess {
    /// Starts one of the package's programs, which are beside the test bundle.
    package static func helper(_ name: String, _ arguments: [String]) throws -> ChildProcess {
        let folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return try ChildProcess([folder.appendingPathComponent(name).path] + arguments, output: .pipe, surroundings: .ownGroup)
    }

    /// Starts a program whose input and output are pipes. Its standard error goes to the output's pipe.
    package static func conversation(_ program: String, _ arguments: [String]) throws -> ChildProcess {
        // Writing to a program that has ended must be an error, not a signal that ends the tests.
        Foundation.signal(SIGPIPE, SIG_IGN)
        return try ChildProcess([program] + arguments, input: .pipe, output: .pipe, error: .output, surroundings: .ownGroup)
    }

    /// Waits for its end.
    ///
    /// - Returns: The exit status as shells report it.
    package func status() async -> Int32 {
        await waitForEnd().status
    }
}
