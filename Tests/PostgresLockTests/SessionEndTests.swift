import CLibPQ
import Foundation
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

    @Test("the end of a session whose answer is overdue is not waited for as long, unless an answer has come since", .server())
    func silent() async throws {
        let database = try TestDatabase.get()
        let loop = EventLoop(label: "ends")
        let (answers, continuation) = AsyncStream<Int>.makeStream()
        let sessions = try (0..<2).map { number in
            let raw = try database.rawConnection()
            let connection = Connection(adopting: raw, on: loop) { event in
                if case .answered = event { continuation.yield(number) }
            }
            return (connection: connection, process: PQbackendPID(raw.pointer))
        }
        // Both are silent, but the first one answers again.
        loop.submit {
            for session in sessions { session.connection.isSilent = true }
            sessions[0].connection.submit([], for: SubmissionToken(kind: 0))
            sessions[0].connection.flush()
        }
        for await _ in answers { break }
        // Neither notices that its client has gone.
        for session in sessions { kill(session.process, SIGSTOP) }
        defer { for session in sessions { kill(session.process, SIGCONT) } }
        let (ends, ended) = AsyncStream<Int>.makeStream()
        loop.submit {
            for (number, session) in sessions.enumerated() {
                session.connection.submit(Statement("SELECT 1", shape: .rows), for: SubmissionToken(kind: 0))
                session.connection.close { _ in ended.yield(number) }
            }
        }
        for await first in ends {
            #expect(first == 1)
            break
        }
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
