import PostgresLock
import PostgresLockTesting

/// The server that all tests share, each with names of its own. The cleanup process of its folder removes it when the test
/// process ends.
struct SharedServer {
    let server: EphemeralPostgres
    let locks: LockManager

    private static let starting = Task {
        let server = try await EphemeralPostgres.start(.init(listensOnTCP: true, password: "geheim wort"))
        return SharedServer(
            server: server,
            locks: try LockManager(configuration: .init(url: server.connectionURL()))
        )
    }

    static func get() async throws -> SharedServer {
        try await starting.value
    }

    var url: String { server.connectionURL() }

    /// A name that no other test uses.
    static func freshName() -> String {
        "test:\(UInt64.random(in: .min ... .max))"
    }

    /// Whether the lock can be had right now.
    func isFree(_ key: LockKey) async throws -> Bool {
        guard let lock = try await locks.tryAcquire(key) else { return false }
        try await lock.release()
        return true
    }

    /// How many sessions wait for the lock in the server.
    func waiters(for name: String) async throws -> Int {
        try await sessions(name, isGranted: false)
    }

    func holders(of name: String) async throws -> Int {
        try await sessions(name, isGranted: true)
    }

    /// Ends the sessions that hold the lock.
    func terminateHolders(of name: String) async throws {
        try await server.query("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE \(condition(name)) AND granted")
    }

    private func sessions(_ name: String, isGranted: Bool) async throws -> Int {
        let rows = try await server.query(
            "SELECT count(*) FROM pg_locks WHERE \(condition(name)) AND granted = \(isGranted)"
        )
        return rows.first?.first?.flatMap { Int($0) } ?? 0
    }

    private func condition(_ name: String) -> String {
        let bits = UInt64(bitPattern: LockKey(name).number ?? 0)
        return "locktype = 'advisory' AND classid = \(bits >> 32) AND objid = \(bits & 0xFFFF_FFFF) AND objsubid = 1"
    }
}
