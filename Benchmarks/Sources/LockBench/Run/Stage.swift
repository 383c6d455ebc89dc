import PostgresLockTesting

/// What contenders run on: the server, and the programs of others, where there are any.
struct Stage: Sendable {
    let plan: Plan
    let server: EphemeralPostgres
    let pgbench: Pgbench?
    let python: PythonPeers?

    /// Enough for 100,000 locks of one session beside all else: the server has room for about
    /// `max_locks_per_transaction` × `max_connections` locks, whoever holds them.
    static let serverSettings = ["max_connections": "120", "max_locks_per_transaction": "2000"]

    func url(_ transport: Transport) -> String {
        server.connectionURL(overTCP: transport == .tcp)
    }

    func string(_ transport: Transport) -> String {
        server.connectionString(overTCP: transport == .tcp)
    }
}

/// How a client reaches the server on the same machine.
enum Transport: String, CaseIterable, Sendable {
    case socket
    case tcp

    var title: String {
        switch self {
        case .socket: "Unix socket"
        case .tcp: "TCP, 127.0.0.1"
        }
    }
}
