import PostgresLock
import Testing

@Suite("Statements that can't be sent", .database)
struct StatementInputTests {
    private static let refused: [(sql: String, parameters: [SQLParameter], word: String)] = [
        ("DELETE FROM t WHERE a = 'a'\0 AND b = 'b'", [], "SQL"), ("DELETE FROM t WHERE a = $1", ["a\0x"], "$1"),
        ("DELETE FROM t WHERE a = $1 AND b = $2", ["a", .string("\0")], "$2"),
        ("SELECT 1", Array(repeating: .int(1), count: 65_536), "65535"),
    ]

    @Test(
        "a statement that would be cut off, or can't be sent, is refused, and the transaction and its lock go on",
        arguments: 0..<refused.count
    )
    func inTransaction(number: Int) async throws {
        let (sql, parameters, word) = Self.refused[number]
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE t (a text, b text)")
        try await database.query("INSERT INTO t VALUES ('a', '')")
        let locks = try database.manager()
        try await locks.withTransaction(locking: "k") { transaction in
            let execute = await lockError { try await transaction.execute(sql, parameters) }
            let query = await lockError { _ = try await transaction.query(sql, parameters) }
            for error in [execute, query] {
                #expect(error?.code == .invalidArgument)
                #expect(error?.message.contains(word) == true, "\(String(describing: error))")
            }
            #expect(transaction.lock?.isHeld == true)
            try await transaction.execute("UPDATE t SET b = 'c'")
        }
        #expect(try await database.query("SELECT a, b FROM t") == [["a", "c"]])
    }

    @Test("a statement that would be cut off, or can't be sent, is refused, and a session keeps its locks", arguments: 0..<refused.count)
    func inSession(number: Int) async throws {
        let (sql, parameters, word) = Self.refused[number]
        let locks = try TestDatabase.get().manager()
        try await locks.withSession { session in
            try await session.acquire("k")
            let execute = await lockError { try await session.execute(sql, parameters) }
            let query = await lockError { _ = try await session.query(sql, parameters) }
            let boolean = parameters.isEmpty ? await lockError { _ = try await session.queryBoolean(sql) } : query
            for error in [execute, query, boolean] {
                #expect(error?.code == .invalidArgument)
                #expect(error?.message.contains(word) == true, "\(String(describing: error))")
            }
            #expect(try await session.query("SELECT 1 AS x")[0].decode("x", as: Int.self) == 1)
            try await session.release("k")
        }
    }

    @Test("a statement with the highest number of parameters that PostgreSQL takes is run")
    func many() async throws {
        let locks = try TestDatabase.get().manager()
        let parameters = (1...65_535).map { SQLParameter.int32($0) }
        let list = parameters.indices.map { "$\($0 + 1)" }.joined(separator: ",")
        try await locks.withTransaction { transaction in
            let sum = try await transaction.query("SELECT sum(x) FROM unnest(ARRAY[\(list)]) x", parameters)
            #expect(try sum[0].decode(0, as: Int.self) == 65_535 * 65_536 / 2)
        }
    }

    @Test("SQL with a zero byte in it is not sent on a libpq connection of the caller's")
    func libPQ() async throws {
        let libpq = try OwnedLibPQ(TestDatabase.get().url)
        let error = await lockError { _ = try await libpq.connection.queryBoolean("SELECT true\0 AND false") }
        #expect(error?.code == .invalidArgument)
        #expect(try await libpq.connection.queryBoolean("SELECT true") == true)
    }
}
