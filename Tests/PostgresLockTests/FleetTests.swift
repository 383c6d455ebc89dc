import ChildProcesses
import FaultTools
import Foundation
import PostgresLock
import Testing

@Suite("Fleet", .database)
struct FleetTests {
    @Test("of several processes with hundreds of tasks, no two hold what excludes each other", arguments: [0, 1, 16, Int.max])
    func exclusion(handoff: Int) async throws {
        let database = try TestDatabase.get()
        try await database.query(
            """
            CREATE TABLE holders (id bigint PRIMARY KEY, key int, is_exclusive bool);
            CREATE TABLE violations (id bigint);
            CREATE TABLE rounds (is_exclusive bool)
            """
        )
        let workers = try (0..<3).map { _ in
            try ChildProcess.helper("LockWorker", [database.url, "100", "2", "\(handoff)"])
        }
        for worker in workers {
            #expect(await worker.status() == 0)
        }
        #expect(try await database.query("SELECT count(*) FROM violations") == [["0"]])
        #expect(try await database.query("SELECT count(*) FROM holders") == [["0"]])
        let rounds = try await database.query("SELECT count(*) > 300, bool_or(is_exclusive), bool_and(is_exclusive) FROM rounds")
        #expect(rounds == [["t", "t", "f"]], "otherwise nothing was tried")
    }

    @Test("a process that is killed loses its locks, and the next in line gets them")
    func kill() async throws {
        let database = try TestDatabase.get()
        try await database.query(
            "CREATE TABLE holders (id bigint, key int, is_exclusive bool); CREATE TABLE violations (id bigint); CREATE TABLE rounds (x bool)"
        )
        let worker = try ChildProcess.helper("LockWorker", [database.url, "50", "1000000", "16"])
        try await database.eventually("the worker works") {
            try await database.query("SELECT count(*) > 10 FROM rounds") == [["t"]]
        }
        worker.signal(SIGKILL)
        #expect(await worker.status() != 0)
        let locks = try database.manager()
        for key in 0..<4 {
            try await locks.withLock(LockKey(number: Int64(key)), timeout: .seconds(120)) { lock in #expect(lock.isHeld) }
        }
    }
}
