extension LockTable {
    /// What follows from an event. The engine carries actions out in order, after the event.
    ///
    /// Failures are stored indirectly, so that the frequent actions stay small.
    package enum Action: Hashable, Sendable {
        /// The request holds the lock now. A transaction has its turn to ask the server itself.
        case grant(RequestID)
        /// The request for any of several keys gets this one. Its grant follows.
        case choose(RequestID, AdvisoryKey)
        /// The request does not wait, and the lock is taken.
        case refuse(RequestID)
        /// The server can't be asked for the request.
        indirect case fail(RequestID, Failure)
        /// The locks that these requests hold are gone.
        indirect case lose([RequestID], Failure)
        /// The release has ended.
        case released(RequestID)
        /// The release found no lock.
        indirect case releaseFailed(RequestID, Failure)
        /// The change of a held lock's mode has ended; whether the lock is in the other mode now.
        case changed(RequestID, Bool)
        /// The lock whose mode was to be changed is not held, or not any more.
        indirect case changeFailed(RequestID, Failure)
        /// Ask the server, without waiting.
        case tryLock(AdvisoryKey, Mode)
        /// Ask the server and wait in its queue.
        case waitLock(AdvisoryKey, Mode)
        /// Wait in the server's queue for a lock that is held in shared mode, on another session than the one that holds it. If there is no
        /// session for that, the key is not tried instead: the session that holds it would get it at once.
        case waitToJoin(AdvisoryKey)
        /// End the wait; its answer is still to be reported.
        case endWait(AdvisoryKey)
        /// Release what a wait was granted beside the lock that is held. The answer need not be reported.
        case giveBack(AdvisoryKey, Mode, on: ConnectionID)
        case unlock(AdvisoryKey, Mode, on: ConnectionID)
        /// Take the lock in the other mode, then release it in the mode in which it is held. A change to shared always works, a change to
        /// exclusive only if no other session holds the key.
        case changeMode(AdvisoryKey, to: Mode, on: ConnectionID)
    }
}
