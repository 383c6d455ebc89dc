import LibPQ

extension ConnectionFailure.Kind {
    /// Whether it says that the server is no ground for locks, and not merely that something went wrong.
    var isVerdict: Bool {
        switch self {
        case .transactionPooling, .locksDoNotExclude, .standby, .anotherServer, .serverTooOld: true
        case .badConfiguration, .unreachable, .authentication, .refused, .tooManyConnections, .abandoned, .lost: false
        }
    }

    /// What to do about it.
    var advice: String {
        switch self {
        case .transactionPooling:
            "Connect to the server itself, or have the pooler pool sessions (pgbouncer: pool_mode = session)."
        case .locksDoNotExclude: "This server can't be used for locks; PostgreSQL can."
        case .standby: "Connect to the primary; with several hosts in the URL, target_session_attrs=read-write finds it."
        case .anotherServer: "Name the hosts of one cluster only."
        case .serverTooOld: "Upgrade the server."
        case .authentication: "Check user and password."
        case .tooManyConnections: "Raise the server's max_connections, or lower the limits of the pools that use it."
        case .refused: "Check the database's name and the role's rights."
        case .badConfiguration: "Check the URL."
        case .unreachable, .abandoned, .lost: "Check host, port, and that the server is running."
        }
    }
}
