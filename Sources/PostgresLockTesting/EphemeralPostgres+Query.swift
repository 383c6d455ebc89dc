import ChildProcesses
import Foundation

extension EphemeralPostgres {
    /// Runs SQL through psql, as the user `postgres` and over the Unix socket. The package's own client is not used.
    ///
    /// Needs `psql`, which comes with the server's programs or its client package.
    ///
    /// Each call uses a session of its own, whose `application_name` is `EphemeralPostgres`.
    ///
    /// - Parameters:
    ///   - sql: One or several statements. Several statements run in one transaction.
    ///   - database: The database.
    /// - Returns: The rows of the last statement. Values are text, nil for NULL.
    /// - Throws: An ``EphemeralPostgresError`` with psql's message, and the server's code in
    ///   ``EphemeralPostgresError/sqlState``. `CancellationError` when the task is cancelled, after the statement was
    ///   cancelled in the server.
    @discardableResult
    public func query(_ sql: String, database: String = "postgres") async throws -> [[String?]] {
        // A value equal to the marker would be returned as NULL, so each call uses a random marker.
        let null = "null-\(UInt64.random(in: .min ... .max))"
        let output = try await runPsql(
            ["--csv", "--tuples-only", "--pset=null=\(null)", "--set=SHOW_ALL_RESULTS=off", "--command=\(sql)"],
            database: database
        )
        return CSVRows.parse(output).map { row in row.map { $0 == null ? nil : $0 } }
    }

    /// Sets the password of the options for the superuser.
    ///
    /// The statement goes through standard input, because other accounts can read a command line, and is kept out of the server's log.
    func setPassword() async throws {
        guard let password else { return }
        let quoted = password.value.replacingOccurrences(of: "'", with: "''")
        let script = """
            SET standard_conforming_strings = on;
            SET password_encryption = 'scram-sha-256';
            SET log_statement = 'none';
            SET log_min_duration_statement = -1;
            SET log_min_error_statement = 'panic';
            ALTER ROLE postgres PASSWORD '\(quoted)';
            """
        try await runPsql(["--file=-"], input: script, database: "postgres")
    }

    @discardableResult
    private func runPsql(_ arguments: [String], input: String = "", database: String) async throws -> String {
        guard let psql else {
            throw EphemeralPostgresError(
                .binariesNotFound,
                """
                psql is neither in \(binaryDirectory) nor in PATH. Install PostgreSQL's client (Debian, Ubuntu: \
                `apt-get install postgresql-client`; macOS: `brew install libpq`).
                """
            )
        }
        let target = connectionString(database: database) + " connect_timeout='60'"
        let general = ["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--set=VERBOSITY=verbose"]
        let result = try await CommandRunner.run([psql] + general + ["--dbname=\(target)"] + arguments, input: input)
        guard result.succeeded else { throw queryError(result) }
        return result.output
    }

    private func queryError(_ result: CapturedProcess.Result) -> EphemeralPostgresError {
        let lines = result.error.split(separator: "\n").filter { !$0.hasPrefix("LOCATION:") }
        let text = process.log.masked(lines.joined(separator: "\n"))
        // "ERROR:  42P01: relation "x" does not exist". When psql reads a script, the line's number precedes it.
        let state = text.firstMatch(of: #/(?:ERROR|FATAL|PANIC): +([0-9A-Z]{5}): /#).map { String($0.output.1) }
        return EphemeralPostgresError(
            .queryFailed,
            text.isEmpty ? "psql failed: \(result.status)" : text,
            sqlState: state
        )
    }
}
