/// What the first connection has proved of the server, and every further one has to agree with.
final class Ground: Sendable {
    private let server = Locked<ServerIdentity?>(nil)

    /// The server, once a connection has been found fit for locks.
    var known: ServerIdentity? { server.withLock { $0 } }

    var isProved: Bool { known != nil }

    /// Whether there is a pooler that passes sessions on as they are.
    let passesOn = Locked(false)

    /// Remembers the first server, and refuses others.
    func admit(_ identity: ServerIdentity) throws(ConnectionFailure) {
        let failure = server.withLock { server -> ConnectionFailure? in
            if let server, let failure = server.difference(from: identity) { return failure }
            server = server?.updated(by: identity) ?? identity
            return nil
        }
        if let failure { throw failure }
    }
}
