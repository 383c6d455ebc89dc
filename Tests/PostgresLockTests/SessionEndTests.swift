import CLibPQ
import Testing

@testable import LibPQ
@testable import PostgresLock

@Suite("The ends of sessions", .database, .direct("a pooler keeps the sessions"))
struct SessionEndTests {
    @Test("the end of a session that runs a statement is waited for until the server's process has left")
    func running() async throws {
        let database = try TestDatabase.get()
        guard try await database.looksForClients() else { return }
        let raw = try database.rawConnection()
        let process = PQbackendPID(raw.pointer)
        let loop = EventLoop(label: "ends")
        let connection = Connection(adopting: raw, on: loop) { _ in }
        loop.submit {
            connection.submit(Statement(SessionSettings.clientCheck, shape: .rows), for: SubmissionToken(kind: 0))
            connection.submit(Statement("SELECT pg_sleep(600)", shape: .rows), for: SubmissionToken(kind: 0))
            connection.flush()
        }
        try await database.waitUntilAsleep(process)
        let hasEnded = await withCheckedContinuation { continuation in
            loop.submit { connection.close { continuation.resume(returning: $0) } }
        }
        #expect(hasEnded)
        #expect(try await database.query("SELECT 1 FROM pg_stat_activity WHERE pid = \(process)").isEmpty)
    }
}

extension TestDatabase {
    /// Whether the server can look during a statement whether the client has gone.
    fileprivate func looksForClients() async throws -> Bool {
        try await query("SELECT current_setting('client_connection_check_interval', true)")[0][0] != nil
    }

    fileprivate func rawConnection() throws -> RawConnection {
        RawConnection(adopting: try #require(PQconnectdb(url)), notices: NoticeReceiver { _ in })
    }

    fileprivate func waitUntilAsleep(_ process: Int32) async throws {
        try await eventually("the statement runs") {
            try await !query("SELECT 1 FROM pg_stat_activity WHERE pid = \(process) AND wait_event = 'PgSleep'").isEmpty
        }
    }
}
