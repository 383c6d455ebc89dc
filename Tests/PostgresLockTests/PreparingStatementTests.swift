import LibPQ
import Testing

@Suite("Statements that prepare a session", .database)
struct PreparingStatementTests {
    private static func failure(of sql: String) async throws -> ConnectionFailure? {
        try await TestDatabase.get().withBlockingSession { session in
            do throws(ConnectionFailure) {
                _ = try session.ask(sql)
                return nil
            } catch {
                return error
            }
        }
    }

    @Test("a session whose preparation is cancelled from outside is opened anew, and not taken for refused")
    func cancelled() async throws {
        let failure = try await Self.failure(of: "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(600)")
        #expect(failure?.kind == .unreachable)
        #expect(failure?.sqlState == "57014")
    }

    @Test("a statement that the server does not know, or that the role may not run, is a refusal")
    func refused() async throws {
        #expect(try await Self.failure(of: "SELECT no_such_function()")?.kind == .refused)
        #expect(try await Self.failure(of: "SET ROLE no_such_role")?.kind == .refused)
    }
}
