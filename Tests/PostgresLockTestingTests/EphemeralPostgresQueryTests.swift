import PostgresLockTesting
import Testing

@Suite("Queries through psql")
struct EphemeralPostgresQueryTests {
    @Test("a query through psql returns NULL, empty text, separators and quotes unchanged")
    func values() async throws {
        try await EphemeralPostgres.withServer { server in
            let row = try await server.query(
                #"SELECT NULL, '', 'a,b', E'two\nlines', 'say "hi"', E'tab\tand\\', E'\r\n', 'NULL', '\.', 'größe', ' '"#
            )
            #expect(
                row == [
                    [nil, "", "a,b", "two\nlines", "say \"hi\"", "tab\tand\\", "\r\n", "NULL", "\\.", "größe", " "]
                ]
            )
            #expect(try await server.query("VALUES (''), (NULL), (E'\\n')") == [[""], [nil], ["\n"]])
            #expect(try await server.query("SELECT 1 WHERE false") == [])
        }
    }

    @Test("a query of several statements returns the rows of the last one, or none if it has none")
    func severalStatements() async throws {
        try await EphemeralPostgres.withServer { server async throws in
            #expect(try await server.query("SELECT 1; SELECT 2, 3") == [["2", "3"]])
            #expect(try await server.query("CREATE TABLE t (v int); INSERT INTO t VALUES (1), (2)") == [])
            #expect(try await server.query("DELETE FROM t RETURNING v") == [["1"], ["2"]])
        }
    }

    @Test("a failed query throws an error with the server's SQLSTATE and message")
    func failure() async throws {
        try await EphemeralPostgres.withServer { server in
            let error = await #expect(throws: EphemeralPostgresError.self) { try await server.query("SELECT * FROM nowhere") }
            #expect(error?.code == .queryFailed)
            #expect(error?.sqlState == "42P01")
            #expect(error?.message.contains("nowhere") == true)
        }
    }

    @Test("a query reaches a database whose name has quotes, backslashes and spaces")
    func databases() async throws {
        try await EphemeralPostgres.withServer { server in
            let name = #"it's "a" \ d=b"#
            try await server.query(#"CREATE DATABASE "it's ""a"" \ d=b""#)
            #expect(try await server.query("SELECT current_database()", database: name) == [[name]])
        }
    }

    @Test("cancelling the task of a query cancels its statement in the server")
    func cancellation() async throws {
        try await EphemeralPostgres.withServer { server in
            let sleeper = Task { try await server.query("SELECT pg_sleep(600)") }
            let sessions = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            try await eventually { try await server.query(sessions).count == 1 }
            sleeper.cancel()
            await #expect(throws: CancellationError.self) { try await sleeper.value }
            #expect(try await server.query(sessions) == [])
        }
    }
}
