import ChildProcesses
import FaultTools
import PostgresLock
import PostgresLockTesting
import Testing

/// Behind a real Pgpool-II.
@Suite("Pgpool-II", .enabled(if: Pgpool.isInstalled, "pgpool is missing: .ci/install-dependencies tests"))
struct PgpoolTests {
    @Test(
        "before one server, locks work, and a pooler is found though the process numbers are the server's own",
        .server(),
        .direct("there is another pooler already")
    )
    func oneServer() async throws {
        let database = try TestDatabase.get()
        try await Pgpool.with("raw") { pgpool in
            let direct = try database.manager()
            let recorder = LogRecorder()
            let locks = try LockManager(configuration: .init(url: pgpool.url), logger: recorder.logger)
            try await locks.withLock("a") { lock in
                #expect(lock.isHeld)
                let isFree = try await direct.isFree("a")
                #expect(!isFree)
            }
            let held = try await direct.acquire("b")
            let waiting = Task { try await locks.withLock("b") { _ in "got it" } }
            try await database.eventually("a wait on the server") { try await database.locks(granted: false) == 1 }
            try await held.release()
            #expect(try await waiting.value == "got it")
            await locks.shutdown()
            // It runs DISCARD ALL when a client has gone.
            #expect(!recorder.lines.all.contains { $0.message.contains("does not reset its sessions") })
            // It may close the connection of the trial of a lock, when statements follow DISCARD ALL at once.
            let lines = try await doctor(pgpool.url, status: nil)
            #expect(lines.contains { $0.hasPrefix("ok       pooling      a pooler of sessions") }, "\(lines)")
        }
    }

    @Test(
        "sessions whose statements are distributed over a primary and a standby are refused, whichever statements are taken for reading",
        .server(),
        .direct("there is another pooler already"),
        arguments: ["", "nextval,setval"]
    )
    func distributed(writeFunctions: String) async throws {
        let database = try TestDatabase.get()
        try await EphemeralPostgres.withServer { standby in
            try await standby.query("CREATE DATABASE \(database.name)")
            try await TestDatabase(server: standby, name: database.name).becomeStandby()
            let settings = ["write_function_list": writeFunctions]
            try await Pgpool.with("streaming_replication", standby: standby, settings: settings) { pgpool in
                let error = await lockError { try await database.manager { $0.url = pgpool.url }.withLock("a") { _ in } }
                #expect(error?.code == .locksDoNotExclude)
                let message = error?.message ?? ""
                #expect(message.contains("Statements of one connection go to several sessions"), "\(message)")
                let lines = try await doctor(pgpool.url, status: 2)
                #expect(lines.contains { $0.hasPrefix("failed   pooling      Statements of one connection") }, "\(lines)")
            }
            #expect(try await standby.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [["0"]])
        }
    }

    private func doctor(_ url: String, status: Int32?) async throws -> [String] {
        let program = try ChildProcess.helper("pglock", ["doctor", url])
        var lines: [String] = []
        for await line in program.lines { lines.append(line) }
        let ended = await program.status()
        if let status { #expect(ended == status, "\(lines.joined(separator: "\n"))") }
        return lines
    }
}
