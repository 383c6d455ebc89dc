import PostgresLock
import Testing

@Suite("The rows of a query", .database)
struct QueryRowTests {
    @Test("reading a row that does not exist throws an error that says so, also after the end of the connection")
    func missingRow() async throws {
        let logs = LogRecorder()
        let locks = try LockManager(configuration: .init(url: TestDatabase.get().url), logger: logs.logger)
        let (none, one) = try await locks.withTransaction { transaction in
            (try await transaction.query("SELECT 1 AS x WHERE false"), try await transaction.query("SELECT NULL::int AS x"))
        }
        // The connection is closed then.
        await locks.shutdown()
        for (rows, number, size) in [(none, 0, "0 rows"), (none, -1, "0 rows"), (one, 1, "1 row"), (one, .max, "1 row")] {
            for attempt in [
                { _ = try rows[number].decode("x", as: Int.self) }, { _ = try rows[number].decode("x", as: Int?.self) },
                { _ = try rows[number].decode(0, as: Int?.self) }, { _ = try rows[number].decode("y", as: Int.self) },
                { _ = try rows[number].decode(7, as: Int.self) },
            ] {
                let error = #expect(throws: LockError.self) { try attempt() }
                #expect(error?.code == .decodingFailed)
                #expect(error?.message.contains("no row \(number): the result has \(size)") == true, "\(String(describing: error))")
            }
        }
        #expect(try one[0].decode("x", as: Int?.self) == nil)
        let missing = #expect(throws: LockError.self) { try one[0].decode(-1, as: Int?.self) }
        #expect(missing?.message.contains("no column -1") == true)
        #expect(!logs.lines.all.contains { $0.message.contains("notice") })
    }
}
