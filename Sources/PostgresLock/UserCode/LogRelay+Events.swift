import LockCore
import Logging

extension LogRelay {
    /// What was lost with a session.
    struct SessionLoss {
        /// The first of the keys.
        var keys: [LockKey] = []
        /// How many locks.
        var count = 0
        /// Of the backend; 0 if it is not known.
        var processID: Int32 = 0
    }

    /// Logs an event of the engine.
    ///
    /// - Parameter isKnown: Whether the log says already that attempts to connect fail, and why.
    func log(_ event: Engine.Event, _ loss: SessionLoss = SessionLoss(), isKnown: Bool = false) {
        switch event {
        case .connectFailed(let role, let failure, let pause):
            let metadata: Logger.Metadata = [LogKey.role: "\(role)", LogKey.retryIn: "\(pause.shown)"]
            let line = metadata.adding(failure.message, failure.sqlState)
            if isKnown { debug("connecting failed", metadata: line) } else { info("connecting failed", metadata: line) }
        case .connectionLost(let id, let role, let failure, _):
            var metadata: Logger.Metadata = [LogKey.connection: "\(id.rawValue)", LogKey.role: "\(role)"]
            if loss.processID != 0 { metadata[LogKey.processID] = "\(loss.processID)" }
            metadata.add(loss.keys, count: loss.count)
            warning("connection lost", metadata: metadata.adding(failure.message, failure.sqlState))
        case .overdue(let id):
            info(
                "a session does not answer; requests that follow go over another one",
                metadata: [LogKey.connection: "\(id.rawValue)"]
            )
        case .verifiedAfterError(let held):
            debug("lock statement failed", metadata: [LogKey.wasHeld: "\(held.map(\.description) ?? "unknown")"])
        case .hiddenActivity(let id):
            warning(
                """
                the server does not show the activity of a session: statements that run for longer than the lease lose their locks, and \
                waits whose answer was lost in the network are not noticed; use one role, or a role with pg_read_all_stats, and leave \
                track_activities on
                """,
                metadata: [LogKey.connection: "\(id.rawValue)"]
            )
        case .waitRenewed(let id):
            debug("a wait that holds up other sessions on the server is begun anew", metadata: [LogKey.connection: "\(id.rawValue)"])
        case .invariantBroken(let id, let what):
            logBroken(id, what)
        case .keyBroken(let key, let what):
            critical(
                "a fault of the lock library; the lock is given up, with the session that holds it",
                metadata: [LogKey.key: "\(key)", LogKey.reason: "\(what)"]
            )
        case .unexpectedAnswer(let id):
            error("unexpected answer; the connection is given up", metadata: [LogKey.connection: "\(id.rawValue)"])
        }
    }

    /// - Parameter count: How many attempts have failed since the last success.
    func logConnected(afterFailures count: Int) {
        if count > 0 { info("connecting succeeds again", metadata: [LogKey.count: "\(count)"]) }
    }

    func logBroken(_ id: ConnectionID, _ what: String) {
        critical(
            "a fault of the lock library; the session is given up, and its locks are lost",
            metadata: [LogKey.connection: "\(id.rawValue)", LogKey.reason: "\(what)"]
        )
    }
}
