import ChildProcesses
import Foundation

/// Runs a program to its end and reads what it prints.
enum Child {
    /// The environment of all children.
    static var environment: [String: String] {
        // libpq's variables in the user's environment could redirect the contenders to another server.
        var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PG") }
        // Python must not write compiled scripts into the checkout.
        variables["PYTHONDONTWRITEBYTECODE"] = "1"
        return variables
    }

    /// - Throws: An error if the program can't be started or fails. When the task is cancelled, a `CancellationError` after the program
    ///   was ended.
    @discardableResult
    static func run(_ program: String, _ arguments: [String]) async throws -> CapturedProcess.Result {
        let result = try await CapturedProcess(["/usr/bin/env", program] + arguments, environment: environment).finish()
        guard result.succeeded else {
            let reason = result.error.split(separator: "\n").suffix(3).joined(separator: " / ")
            throw BenchError("\(program) failed (\(result.status)): \(reason)")
        }
        return result
    }

    /// Decodes the JSON object in the last line of a worker's output.
    static func values(_ result: CapturedProcess.Result) throws -> [String: Double] {
        guard let line = result.output.split(separator: "\n").last else { throw BenchError("The worker has printed nothing.") }
        return try JSONDecoder().decode([String: Double].self, from: Data(line.utf8))
    }

    /// The path of this program's own file.
    static var ownProgram: String {
        get throws {
            guard let program = Bundle.main.executablePath else { throw BenchError("This program's own file can't be found.") }
            return program
        }
    }
}
