import ChildProcesses
import Foundation

/// Runs PostgreSQL's programs, and others.
enum CommandRunner {
    /// Our environment without what would turn PostgreSQL's programs elsewhere, and with messages in English, since we
    /// read some.
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
    ///   ``EphemeralPostgresError`` when it could not be started. A program that fails is no error here.
    static func run(_ command: [String], input: String = "", directory: String = "/") async throws -> CapturedProcess.Result {
        let process = try start {
            try CapturedProcess(command, environment: environment, directory: directory, input: input)
        }
        return try await process.finish()
    }

    /// Tells of a process that can't be started by an error of ours.
    static func start<Started>(_ start: () throws -> Started) throws -> Started {
        do {
            return try start()
        } catch let failure as SystemFailure {
            throw EphemeralPostgresError(.system, failure.description)
        }
    }
}
