import PostgresLock
import PostgresLockTesting
import Testing

@Suite("Connections with TLS", .tls, .direct("the pooler has no certificate"))
struct TLSTests {
    @Test(
        "with sslmode=verify-full a lock is taken over TLS, a wait for it is cancelled, and a transaction is encrypted, too",
        .server(listensOnTCP: true)
    )
    func verified() async throws {
        try await withCertificates { database, certificates in
            let locks = try manager(database, certificates.authority)
            let other = try manager(database, certificates.authority)
            try await locks.withLock("a") { _ in
                #expect(try await sessionsWithoutTLS(database) == 0)
                await expectTimedOut { try await other.withLock("a", timeout: $0) { _ in } }
                let waiting = Task { try await other.withLock("a") { _ in } }
                try await database.eventually("a session waits") { try await database.locks(granted: false) == 1 }
                waiting.cancel()
                await #expect(throws: CancellationError.self) { try await waiting.value }
            }
            let version = try await locks.withTransaction { transaction in
                try await transaction.query("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").first?.decode(
                    0,
                    as: String.self
                )
            }
            #expect(version?.hasPrefix("TLS") == true)
        }
    }

    @Test(
        "a server whose certificate is of another authority gets no password, and the error says that the certificate was refused",
        .server(listensOnTCP: true)
    )
    func strangeAuthority() async throws {
        try await withCertificates { database, certificates in
            let locks = try manager(database, certificates.strangeAuthority)
            let error = await informedError(from: .seconds(5)) { try await locks.withLock("a", timeout: $0) { _ in } }
            #expect(error?.code == .cannotConnect)
            #expect(error?.message.contains("certificate verify failed") == true)
        }
    }

    @Test("a server whose certificate is for another host is refused, and the error names both hosts", .server(listensOnTCP: true))
    func anotherHost() async throws {
        try await withCertificates(for: "elsewhere.example") { database, certificates in
            let locks = try manager(database, certificates.authority)
            let error = await informedError(from: .seconds(5)) { try await locks.withLock("a", timeout: $0) { _ in } }
            #expect(error?.code == .cannotConnect)
            #expect(error?.message.contains("elsewhere.example") == true)
            #expect(error?.message.contains("localhost") == true)
        }
    }

    private func withCertificates(
        for host: String = "localhost",
        _ body: (TestDatabase, TestCertificates) async throws -> Void
    ) async throws {
        let database = try TestDatabase.get()
        let certificates = try await TestCertificates(host: host)
        defer { certificates.remove() }
        try await certificates.install(on: database.server)
        try await body(database, certificates)
    }

    private func manager(_ database: TestDatabase, _ authority: String) throws -> LockManager {
        try database.manager {
            $0.url = """
                host=localhost port=\(database.server.port) user=postgres dbname='\(database.name)' sslmode=verify-full \
                sslrootcert='\(authority)'
                """
        }
    }

    private func sessionsWithoutTLS(_ database: TestDatabase) async throws -> Int {
        try await database.query(
            "SELECT FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE NOT ssl AND client_addr IS NOT NULL AND datname = '\(database.name)'"
        ).count
    }
}
