import ChildProcesses
import Foundation

/// Runs PostgreSQL's programs and other commands.
enum CommandRunner {
    /// The environment of this process without libpq's variables (`PG…`), which could redirect PostgreSQL's programs to another server.
    /// Messages are in English, because some are parsed.
    static var environment: [String: String] {
        var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PG") }
        variables["LC_ALL"] = "C"
        variables["LANGUAGE"] = nil
        variables["PGCLIENTENCODING"] = "UTF8"
        variables["PGAPPNAME"] = "EphemeralPostgres"
        return variables
    }

    /// Runs a program to its end.
    ///
    /// - Throws: `CancellationError` when the task is cancelled, after the program was ended; an
    ///   ``EphemeralPostgresError`` when it could not be started. A non-zero exit status is a normal result, not an error.
    static func run(_ command: [String], input: String = "", directory: String = "/") async throws -> CapturedProcess.Result {
        let process = try start {
            try CapturedProcess(command, environment: environment, directory: directory, input: input)
        }
        return try await process.finish()
    }

    /// Turns the failure to start a process into an ``EphemeralPostgresError``.
    static func start<Started>(_ start: () throws -> Started) throws -> Started {
        do {
            return try start()
        } catch let failure as SystemFailure {
            throw EphemeralPostgresError(.system, failure.description)
        }
    }
}
