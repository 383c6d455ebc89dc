import CLibPQ

// For those who examine a server without a lock manager.
extension BlockingSession {
    /// - Parameter limit: For connecting, and for all that is asked afterwards, unless it is given time anew.
    package static func open(_ parameters: ConnectionParameters, within limit: Duration) throws(ConnectionFailure) -> BlockingSession {
        let search = HostSearch(
            parameters: parameters,
            limit: limit,
            attempt: Connector.Attempt(),
            lookup: HostLookup(),
            memory: HostMemory(),
            onNotice: { _ in }
        )
        return try search.run { session in session.waiting(for: limit) }
    }

    /// The same session, with time anew.
    package func waiting(for limit: Duration) -> BlockingSession {
        BlockingSession(raw, patience: Patience(deadline: .now + limit, attempt: patience.attempt))
    }

    /// In the form of `server_version_num`.
    package var serverVersion: Int { Int(PQserverVersion(raw.pointer)) }

    package var versionText: String {
        PQparameterStatus(raw.pointer, "server_version").map { String(cString: $0) } ?? "\(serverVersion)"
    }

    /// The host that was connected to; the folder of a Unix socket.
    package var host: String { PQhost(raw.pointer).map { String(cString: $0) } ?? "" }

    package var isUnixSocket: Bool { host.hasPrefix("/") || host.hasPrefix("@") }

    /// Whether nothing leaves this machine.
    package var isLocal: Bool {
        let address = PQhostaddr(raw.pointer).map { String(cString: $0) } ?? ""
        return isUnixSocket || address.hasPrefix("127.") || address == "::1"
    }

    /// For instance `TLSv1.3`; `nil` without encryption.
    package var encryption: String? {
        guard PQsslInUse(raw.pointer) == 1 else { return nil }
        return PQsslAttribute(raw.pointer, "protocol").map { String(cString: $0) } ?? "TLS"
    }
}
