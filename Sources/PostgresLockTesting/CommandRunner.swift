import Foundation

/// Runs a program to its end and collects what it printed.
enum CommandRunner {
    struct Output {
        let status: ChildProcess.ExitStatus
        let standardOutput: String
        let standardError: String

        var succeeded: Bool { status == .exited(0) }
    }

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
    static func run(_ command: [String], input: String = "", directory: String = "/") async throws -> Output {
        let standardInput = try TemporaryFile(containing: input)
        let standardOutput = try TemporaryFile()
        let standardError = try TemporaryFile()
        let child = try ChildProcess.spawn(
            command,
            environment: environment,
            directory: directory,
            input: standardInput.descriptor,
            output: standardOutput.descriptor,
            error: standardError.descriptor
        )
        let status: ChildProcess.ExitStatus?
        do {
            status = try await child.waitForExit()
        } catch {
            await end(child)
            throw error
        }
        return Output(
            status: status ?? .unknown,
            standardOutput: standardOutput.contents(),
            standardError: standardError.contents()
        )
    }

    /// Ends a program, politely first: on SIGINT psql cancels its statement in the server.
    private static func end(_ child: ChildProcess) async {
        child.signal(SIGINT)
        // A task of its own, because in a cancelled one no wait is possible.
        _ = await Task {
            if try await child.waitForExit(within: .seconds(2)) == nil {
                child.signal(SIGKILL)
                _ = try await child.waitForExit(within: .seconds(2))
            }
        }.result
    }
}
