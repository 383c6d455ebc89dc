import ChildProcesses
import Foundation
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("pglock key")
struct KeyTests {
    @Test("pglock key prints the key of Python's postgresql-lock for a name")
    func vectors() async throws {
        let result = try await pglock("key", "my-lock", "café", "cafe\u{301}", "42")
        #expect(result.status == .exited(0))
        let numbers = result.output.split(separator: "\n").map { Int64($0) }
        #expect(numbers.first == 4_791_209_619_368_833_285)
        #expect(numbers == ["my-lock", "café", "cafe\u{301}", "42"].map { LockKey($0).number })
        #expect(numbers.count == 4 && numbers[1] != numbers[2])
    }

    @Test("pglock key takes names that begin with a dash after --")
    func dash() async throws {
        #expect(try await pglock("key", "--", "-x").output == "\(LockKey("-x").number ?? 0)\n")
    }

    @Test(
        "pglock key --scheme prints the keys of other libraries",
        arguments: [
            ("postgresql-lock", "my-lock", "4791209619368833285"), ("distributed-lock", "a", "-1023410177,-1"),
            ("distributed-lock", String(repeating: "漢", count: 18), "-5707277204051710361"),
            ("sqlx", "my first Postgres advisory lock!", "-5560419505042474287"), ("with-advisory-lock", "my-lock", "1153040885,0"),
            ("django-pglock", "my-lock", "6170642704201584368"), ("django-pglocks", "my-lock", "-994442763"),
            ("symfony-lock", "my-lock", "3300524533"), ("golang-migrate", "postgres", "143310882"),
            ("golang-migrate", "public,schema_migrations,postgres", "143310882"), ("rails", "postgres", "737815420147457505"),
            ("goose", "x", "5887940537704921958"),
        ]
    )
    func schemes(scheme: String, name: String, key: String) async throws {
        #expect(try await pglock("key", "--scheme", scheme, name).output == key + "\n")
    }

    @Test("pglock key prints pairs as JSON with the columns of pg_locks, and refuses unknown schemes and invalid names")
    func pairs() async throws {
        let output = try await pglock("key", "--json", "--scheme", "with-advisory-lock", "my-lock").output
        let columns = #""classid":1153040885,"name":"my-lock","objid":0,"objsubid":2,"pair":[1153040885,0]"#
        #expect(output.filter { !$0.isWhitespace }.contains(columns))
        #expect(try await pglock("key", "--scheme", "nobody's", "x").error.contains("sqlx"))
        #expect(try await pglock("key", "--scheme", "golang-migrate", "a,b").error.contains("SCHEMA,TABLE,DATABASE"))
    }

    @Test("pglock key --json prints the columns of pg_locks")
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

    #if os(Linux)
        @Test("an OpenSSL configuration that allows FIPS algorithms only changes no key")
        func hashesWithoutConfiguration() async throws {
            let lines = ["openssl_conf = init", "[init]", "alg_section = evp", "[evp]", "default_properties = fips=yes", ""]
            let configuration = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).cnf")
            try lines.joined(separator: "\n").write(to: configuration, atomically: true, encoding: .utf8)
            defer { try? FileManager.default.removeItem(at: configuration) }
            let run = try LaunchedPglock(["key", "my-lock"], variables: ["OPENSSL_CONF": configuration.path])
            let result = try await run.finish()
            #expect(result.status == .exited(0), "\(result.error)")
            #expect(result.output.contains("4791209619368833285"))
        }
    #endif
}
