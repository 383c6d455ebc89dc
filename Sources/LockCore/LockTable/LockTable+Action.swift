extension LockTable {
    /// What must happen because of an event. The caller carries actions out in order, after the event is over.
    package enum Action: Hashable, Sendable {
        /// The request holds the lock now (of a transaction: it is its turn to ask the server itself).
        case grant(RequestID)
        /// The request only tried, and the lock is taken.
        case refuse(RequestID)
        /// The request can't be served.
        case fail(RequestID, Failure)
        /// The lock that the request holds is gone.
        case lose(RequestID, Failure)
        /// The release has come to its end.
        case released(RequestID)
        /// The release found no lock.
        case releaseFailed(RequestID, Failure)
        /// The change of a held lock's mode has come to its end; whether it is in the other mode now.
        case changed(RequestID, Bool)
        /// The lock that was to be changed is not held, or not any more.
        case changeFailed(RequestID, Failure)
        /// Ask the server, without waiting.
        case tryLock(AdvisoryKey, Mode)
        /// Ask the server and wait in its queue.
        case waitLock(AdvisoryKey, Mode)
        /// End the wait; its answer is still to be reported.
        case endWait(AdvisoryKey)
        case unlock(AdvisoryKey, Mode, on: ConnectionID)
        /// Take what is held in the other mode, then let go of the one that it was held in. Towards shared it always works,
        /// towards exclusive only if nobody else holds the key.
        case changeMode(AdvisoryKey, to: Mode, on: ConnectionID)
    }
}
