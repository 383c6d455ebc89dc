import Testing

@testable import PostgresLock

@Suite("Names of instances")
struct InstanceNameTests {
    private static func name(_ program: String, _ host: String, process: Int32 = 4711) -> String {
        InstanceName(program: program, host: host, process: process, mark: "k7q2m").text
    }

    @Test("a name says the program, the host and the process, and ends in the manager's mark")
    func parts() {
        #expect(Self.name("orders", "web-3") == "orders@web-3:4711 #k7q2m")
        #expect(Self.name("orders", "web-3.eu-west-1.internal") == "orders@web-3:4711 #k7q2m")
        #expect(Self.name("", "web-3") == "web-3:4711 #k7q2m")
    }

    @Test("a long name keeps its process and mark, and both ends of the host")
    func long() {
        let name = Self.name(String(repeating: "p", count: 80), "orders-with-a-very-long-name-7d9f8c6b5-x2k4q", process: .max)
        #expect(name.utf8.count == InstanceName.limit)
        #expect(name.hasPrefix(String(repeating: "p", count: 24) + "@orders"))
        #expect(name.hasSuffix("x2k4q:2147483647 #k7q2m"))
    }

    @Test("a name is printable ASCII, as PostgreSQL would make it")
    func ascii() {
        #expect(Self.name("größe", "web\n3") == "gr??e@web?3:4711 #k7q2m")
        #expect(InstanceName.make().unicodeScalars.allSatisfy { (" "..."~").contains($0) })
    }

    @Test("each manager has a mark of its own, by which its sessions belong together; a configured name has none")
    func marks() {
        let names = (0..<100).map { _ in InstanceName.make() }
        #expect(Set(names).count == 100)
        #expect(names.allSatisfy(InstanceName.isMarked))
        for name in ["orders", "", "#k7q2m", "orders #k7q2", "orders #k7q2mm", "orders #K7Q2M", "orders k7q2m"] {
            #expect(!InstanceName.isMarked(name), "\(name)")
        }
        let (one, other) = (
            SeenSession(processID: 1, name: "a@h:1 #k7q2m", role: "r"), SeenSession(processID: 2, name: "a@h:1 #k7q2m", role: "r")
        )
        #expect(one.manager == other.manager)
        #expect(SeenSession(processID: 1, name: "a").manager != SeenSession(processID: 2, name: "a").manager)
    }
}

@Suite("Names of instances on the server", .database)
struct ServerInstanceNameTests {
    /// A pooler takes the name away from the sessions that it keeps without a client. A session whose client has gone, such as `psql`, may be
    /// seen for a moment longer.
    private static func names() async throws -> [String] {
        try await TestDatabase.get().query(
            """
            SELECT DISTINCT application_name FROM pg_stat_activity \
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> ''
            """
        ).compactMap { $0.first ?? nil }
    }

    @Test("all sessions of a manager have the name of its snapshot, and two managers have two")
    func server() async throws {
        let database = try TestDatabase.get()
        let (first, second) = (try database.manager(), try database.manager())
        try await first.withLock("a") { _ in
            try await first.withSession { _ in
                let name = await first.snapshot().instance
                try await database.eventually("its sessions have its name") { try await Self.names() == [name] }
                try await second.withLock("b") { _ in
                    let names = [name, await second.snapshot().instance].sorted()
                    try await database.eventually("the sessions have two names") { try await Self.names().sorted() == names }
                }
            }
        }
    }

    @Test("a configured name is taken as it is, and one of the URL before it")
    func configured() async throws {
        let database = try TestDatabase.get()
        let named = try database.manager { $0.applicationName = "orders" }
        try await named.withLock("a") { _ in
            try await database.eventually("its sessions have its name") { try await Self.names() == ["orders"] }
            let name = await named.snapshot().instance
            #expect(name == "orders")
        }
        await named.shutdown()
        let byURL = try database.manager {
            $0.applicationName = "orders"
            $0.url = $0.url.map { $0 + ($0.contains("?") ? "&" : $0.contains("://") ? "?" : " ") + "application_name=by-url" }
        }
        let shown = await byURL.snapshot().instance
        #expect(shown == "by-url")
        try await byURL.withLock("a") { _ in
            try await database.eventually("its sessions have the name of its URL") { try await Self.names() == ["by-url"] }
        }
    }
}
