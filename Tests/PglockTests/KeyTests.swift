import Foundation
import PostgresLock
import Testing

@testable import PostgresLockTesting

@Suite("pglock key")
struct KeyTests {
    @Test("prints what Python's postgresql-lock makes of a name")
    func vectors() async throws {
        let result = try await pglock("key", "my-lock", "café", "cafe\u{301}", "42")
        #expect(result.status == .exited(0))
        let numbers = result.output.split(separator: "\n").map { Int64($0) }
        #expect(numbers.first == 4_791_209_619_368_833_285)
        #expect(numbers == ["my-lock", "café", "cafe\u{301}", "42"].map { LockKey($0).number })
        #expect(numbers.count == 4 && numbers[1] != numbers[2])
    }

    @Test("prints names that begin with a dash, after --")
    func dash() async throws {
        #expect(try await pglock("key", "--", "-x").output == "\(LockKey("-x").number ?? 0)\n")
    }

    @Test("prints, as JSON, the columns of pg_locks")
    func json() async throws {
        struct Record: Decodable {
            let name: String
            let key: Int64
            let classid: UInt32
            let objid: UInt32
            let objsubid: Int
        }
        let server = try await SharedServer.get()
        let name = SharedServer.freshName() + "/\"quoted\""
        let result = try await pglock("key", "--json", name)
        let record = try #require(JSONDecoder().decode([Record].self, from: Data(result.output.utf8)).first)
        #expect(record.name == name)
        #expect(record.key == LockKey(name).number)
        let lock = try await server.locks.acquire(LockKey(name))
        let rows = try await server.server.query(
            """
            SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = \(record.classid) \
            AND objid = \(record.objid) AND objsubid = \(record.objsubid)
            """
        )
        #expect(rows == [["1"]])
        try await lock.release()
    }
}
