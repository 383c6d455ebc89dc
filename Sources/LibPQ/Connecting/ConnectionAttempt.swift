/// One attempt to get a session that is fit for locks, run to its end on a thread that may block.
struct ConnectionAttempt {
    let parameters: ConnectionParameters
    let patience: Patience
    let oldestServer: Int32
    /// `nil` if sessions may be a pooler's, and are to be left as they are.
    let settings: SessionSettings?
    let ground: Ground
    let onNotice: @Sendable (ServerError) -> Void

    /// Whether the ground is fit for locks is proved before anything is set: settings leak to other clients of a pooler.
    func run() throws(ConnectionFailure) -> RawConnection {
        let session = BlockingSession(try dial(parameters), patience: patience)
        let setup = SessionSetup(session: session, oldestServer: oldestServer)
        try setup.learn()
        if settings != nil, !ground.isProved { try prove(session) }
        try ground.admit(try ServerIdentity(of: session, known: ground.known))
        if let settings { try setup.apply(settings) }
        return session.raw
    }

    /// What takes a second connection, which has no other purpose. Not behind a pooler of transactions: of many that start
    /// at once, each would hold a session of the pool and wait for another.
    private func prove(_ session: BlockingSession) throws(ConnectionFailure) {
        let other = BlockingSession(try dial(parameters.pinned(to: session)), patience: patience)
        try PoolingCheck(session, other).run()
        try ExclusionCheck(session, other).run()
    }

    private func dial(_ parameters: ConnectionParameters) throws(ConnectionFailure) -> RawConnection {
        try Dialing(parameters: parameters, patience: patience, onNotice: onNotice).run()
    }
}
