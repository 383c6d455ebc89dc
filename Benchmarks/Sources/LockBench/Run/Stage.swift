import PostgresLockTesting

/// The environment of the contenders: the server, and pgbench and Python if they are available.
struct Stage: Sendable {
    let plan: Plan
    let server: EphemeralPostgres
    let pgbench: Pgbench?
    let python: PythonPeers?

    /// The server's lock table has space for about `max_locks_per_transaction` × `max_connections` locks of all sessions together.
    /// This is enough for the 100,000 locks of one session and those of the workloads.
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
