import CLibPQ
import ChildProcesses
import Foundation
import PostgresLock
import Testing

@testable import PostgresLockTesting

/// A pgbouncer in front of a throwaway server. It ends with the body, or with this process, however that ends.
final class Pgbouncer: Sendable {
    private static let port = 6432

    private let folder: String
    private let psql: String
    private let process: ChildProcess

    /// Runs a body with a pooler in front of the test's database.
    ///
    /// - Parameters:
    ///   - mode: `transaction`, `session` or `statement`.
    ///   - poolSize: How many server sessions it has.
    ///   - settings: Further ones, of the section `pgbouncer`.
    static func with(
        _ mode: String,
        poolSize: Int = 20,
        settings: [String: String] = [:],
        _ body: (Pgbouncer) async throws -> Void
    ) async throws {
        let database = try TestDatabase.get()
        let pooler = try await Pgbouncer(mode, poolSize: poolSize, settings: settings, server: database.server, database: database.name)
        do {
            try await body(pooler)
        } catch {
            await pooler.stop()
            throw error
        }
        await pooler.stop()
    }

    private let database: String

    init(
        _ mode: String,
        poolSize: Int,
        settings: [String: String] = [:],
        server: EphemeralPostgres,
        database: String
    ) async throws {
        self.database = database
        let program = try #require(Executable.find("pgbouncer"), "pgbouncer is missing: .ci/install-dependencies tests")
        psql = try #require(server.psql)
        // pgbouncer refuses to run as root, and needs a folder of its own for its socket.
        let account = try ServerAccount.current()
        folder = "\(server.socketDirectory)/pooler-\(UInt32.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        if geteuid() == 0 { chown(folder, account.user, account.group) }
        let own = [
            "listen_port": "\(Self.port)", "unix_socket_dir": folder, "auth_type": "any", "admin_users": "postgres",
            "ignore_startup_parameters": "extra_float_digits", "logfile": "\(folder)/log", "pool_mode": mode,
            "default_pool_size": "\(poolSize)", "max_client_conn": "1000",
        ]
        let lines =
            [
                "[databases]",
                "* = host=\(server.socketDirectory) port=\(server.port) user=postgres",
                "[pgbouncer]",
            ]
            + settings.merging(own) { $1 }.map { "\($0.key) = \($0.value)" }
        let file = "\(folder)/pgbouncer.ini"
        try lines.joined(separator: "\n").write(toFile: file, atomically: false, encoding: .utf8)
        chmod(file, 0o644)

        process = try ChildProcess(
            ["/bin/sh", "-c", #""$@" & read -r _; kill -KILL $!; wait"#, "sh"] + account.launcher + [program, file],
            environment: CommandRunner.environment,
            directory: folder,
            input: .pipe,
            output: .null,
            error: .null
        )
        // Its socket exists before it listens. Its console uses no session of the pool.
        let console = "host='\(folder)' port='\(Self.port)' dbname='pgbouncer' user='postgres' connect_timeout='5'"
        let limit = ContinuousClock.now + .seconds(60)
        while await !Self.answers(console) {
            try #require(ContinuousClock.now < limit, "pgbouncer does not listen; see \(folder)/log")
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Whether it accepts connections. On a thread of its own, since this blocks.
    private static func answers(_ url: String) async -> Bool {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: PQping(url) == PQPING_OK) }
        }
    }

    func stop() async {
        process.closeInput()
        _ = try? await process.waitForEnd(within: .seconds(10))
    }

    /// The test's database through the pooler.
    var url: String { "host='\(folder)' port='\(Self.port)' dbname='\(database)' user='postgres'" }

    /// A manager on the test's database through the pooler, shut down after the test.
    func manager(_ configure: (inout LockManager.Configuration) -> Void = { _ in }) throws -> LockManager {
        try TestDatabase.get().manager {
            $0.url = url
            configure(&$0)
        }
    }

    /// A manager of transactions on the test's database by the pooler, shut down after the test.
    func transactionManager(_ configure: (inout TransactionLockManager.Configuration) -> Void = { _ in }) throws -> TransactionLockManager {
        try TestDatabase.get().transactionManager {
            $0.url = url
            configure(&$0)
        }
    }

    /// Runs SQL as another client of the pooler.
    ///
    /// - Returns: The last statement's rows, with tabs between the columns.
    @discardableResult
    func query(_ sql: String) async throws -> String {
        let options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        let statements = sql.split(separator: ";").map { "--command=\($0)" }
        let result = try await CommandRunner.run([psql] + options + ["--dbname=\(url)"] + statements)
        try #require(result.succeeded, "\(result.error)")
        return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
