import CLibPQ

// What the server checks and `pglock doctor` ask of a session.
extension BlockingSession {
    /// Connects.
    ///
    /// - Parameter limit: For connecting, and for all later questions of the session that is returned.
    package static func open(_ parameters: ConnectionParameters, within limit: Duration) throws(ConnectionFailure) -> BlockingSession {
        try HostSearch(parameters: parameters, limit: limit).run { session in session.waiting(for: limit) }
    }

    /// The same session, with a new limit for its questions.
    package func waiting(for limit: Duration) -> BlockingSession {
        BlockingSession(raw, deadline: ConnectDeadline(deadline: .now + limit, attempt: deadline.attempt))
    }

    /// Opens another session on the same server.
    ///
    /// - Parameters:
    ///   - limit: For connecting.
    ///   - asking: For all its questions.
    package func another(
        _ parameters: ConnectionParameters,
        within limit: Duration,
        asking: Duration,
        onNotice: @escaping @Sendable (ServerError) -> Void
    ) throws(ConnectionFailure) -> BlockingSession {
        let deadline = ConnectDeadline(deadline: .now + limit, attempt: deadline.attempt)
        let dialing = Dialing(keywords: parameters.pinned(to: self).keywords(), deadline: deadline, onNotice: onNotice)
        return BlockingSession(try dialing.run(), deadline: deadline).waiting(for: asking)
    }

    /// How much time is left.
    package var remaining: Duration { deadline.remaining }

    /// Ends the session, and waits until the server does not count it any more. Blocks.
    package func finishAndWait() { raw.finishAndWait() }

    /// Asks the server to cancel the session's statement, over a connection of its own, on another thread: libpq sets no limit for that.
    package func sendCancelRequest() {
        guard let sender = CancelRequestSender(for: raw.pointer) else { return }
        _ = OwnThread.run { sender.send() }
    }

    /// In the form of `server_version_num`.
    package var serverVersion: Int { Int(PQserverVersion(raw.pointer)) }

    package var versionText: String { reported("server_version") ?? "\(serverVersion)" }

    /// The value of a setting that the server reports without being asked; `nil` if it does not report this one.
    package func reported(_ setting: String) -> String? {
        PQparameterStatus(raw.pointer, setting).map { String(cString: $0) }
    }

    /// The host that was connected to; the folder of a Unix socket.
    package var host: String { PQhost(raw.pointer).map { String(cString: $0) } ?? "" }

    package var port: Int { PQport(raw.pointer).flatMap { Int(String(cString: $0)) } ?? 0 }

    package var isUnixSocket: Bool { host.hasPrefix("/") || host.hasPrefix("@") }

    /// Whether the server is on this machine.
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
