import Foundation
import Subprocess
import SystemPackage

/// Runs a program to its end and reads what it prints.
enum Child {
    struct Output {
        let text: String
        let errors: String
        let isSuccess: Bool
    }

    /// - Throws: When the program can't be started; when it fails and `mayFail` is not set. When the task is cancelled,
    ///   after the program was ended.
    @discardableResult
    static func run(
        _ program: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        mayFail: Bool = false
    ) async throws -> Output {
        var options = PlatformOptions()
        options.teardownSequence = [.send(signal: .terminate, allowedDurationToNextStep: .seconds(1))]
        // What the caller has set for libpq would turn the contenders elsewhere.
        var changes: [Environment.Key: String?] = [:]
        for name in ProcessInfo.processInfo.environment.keys where name.hasPrefix("PG") {
            changes[Environment.Key(rawValue: name) ?? "PG"] = .some(nil)
        }
        for (name, value) in environment { changes[Environment.Key(rawValue: name) ?? "PG"] = value }
        let result = try await Subprocess.run(
            program.contains("/") ? .path(FilePath(program)) : .name(program),
            arguments: Arguments(arguments),
            environment: .inherit.updating(changes),
            platformOptions: options,
            output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20)
        )
        try Task.checkCancellation()
        let output = Output(
            text: result.standardOutput,
            errors: result.standardError,
            isSuccess: result.terminationStatus.isSuccess
        )
        guard output.isSuccess || mayFail else {
            let reason = output.errors.split(separator: "\n").suffix(3).joined(separator: " / ")
            throw BenchError("\(program) failed (\(result.terminationStatus)): \(reason)")
        }
        return output
    }

    /// Reads the one JSON object that a worker prints, in its last line.
    static func values(_ output: Output) throws -> [String: Double] {
        guard let line = output.text.split(separator: "\n").last else { throw BenchError("The worker has printed nothing.") }
        return try JSONDecoder().decode([String: Double].self, from: Data(line.utf8))
    }

    /// Runs this very program as a worker.
    static func worker(_ kind: WorkerKind, _ arguments: [String]) async throws -> [String: Double] {
        guard let program = Bundle.main.executablePath else { throw BenchError("This program's own file can't be found.") }
        return try values(try await run(program, ["worker", kind.rawValue] + arguments))
    }
}
