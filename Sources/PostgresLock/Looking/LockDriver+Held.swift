import LockCore

extension LockDriver {
    /// A lock that is held, and what holds it.
    struct Held {
        let state: LockState
        let since: Instant
        let scope: LockSnapshot.Scope
        let session: ConnectionID?
    }
}

extension [LockDriver.Held] {
    /// What is held for certain, or is in doubt, except for what the library holds to say something itself.
    init(of driver: isolated LockDriver) {
        self = []
        let own = Set((driver.publications.locks + driver.releaseRequests.answers).map { ObjectIdentifier($0) })
        for call in driver.calls.all {
            guard let state = call as? LockState, state.isOpen, !own.contains(ObjectIdentifier(state)), let since = state.grantedAt,
                let session = driver.engine.session(of: state.id)
            else { continue }
            append(LockDriver.Held(state: state, since: since, scope: .lock, session: session))
        }
        for session in driver.checkedOut.values.sorted(by: { $0.id < $1.id }) {
            append(contentsOf: session.assumeIsolated { $0.heldLocks })
        }
    }
}
