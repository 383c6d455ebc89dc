extension Engine {
    /// What the driver has to do. It carries actions out in order, after the event that caused them.
    ///
    /// What is large and rare is stored indirectly, so that the frequent actions stay small.
    package enum Action: Hashable, Sendable {
        /// The call ends by this outcome.
        case resolve(RequestID, Outcome)
        /// The call for any of several keys gets this one. It comes before the call is resolved.
        case choose(RequestID, AdvisoryKey)
        /// The locks that these requests were granted are gone, all at the same time: code that learns of the loss of one finds all of them lost.
        indirect case lose([RequestID], Failure)
        /// A checked-out session is gone, with all the locks on it.
        indirect case endAccess(ConnectionID, Failure)
        /// Locks on this session are held for certain until then.
        case renew(ConnectionID, until: Instant)
        /// These locks, which are all on the session, are no longer held for certain. They are still to be released.
        indirect case suspect(ConnectionID, [RequestID], Failure)
        /// The requests to release locks that the server has at present. It comes after each look, also if there are none.
        indirect case noteRequests([AddressedRequest])
        /// The lock's fencing token. It comes before the call that waits for it is resolved.
        case giveToken(RequestID, WALPosition, index: UInt32)
        case connect(ConnectionID, Role)
        /// Ask all hosts whether another server was promoted.
        case survey
        case submit(ConnectionID, Work)
        /// An idle session serves another purpose from now on. Only metrics depend on this.
        case convert(ConnectionID, to: Role)
        /// Cancel what the session runs by other means than a shared session.
        case cancelOutOfBand(ConnectionID)
        /// Close it, whatever it does.
        case close(ConnectionID)
        /// The shutdown is complete.
        case terminated
        indirect case log(Event)
    }

    /// One or two words long, with failures stored indirectly: each waiting task has several copies on its stack.
    package enum Outcome: Hashable, Sendable {
        case granted
        /// A request that does not wait has found the lock taken.
        case refused
        case released
        /// Whether the held lock is in the wanted mode now.
        case changed(Bool)
        /// The session is the caller's until the caller gives it back.
        case checkedOut(ConnectionID)
        /// A statement on a checked-out session is answered, and no cancel request for it can have an effect any more.
        case settled(cause: EndCause?)
        case ended(EndCause)
        indirect case failed(Failure)
    }

    /// Why a call ended before it got what it wanted.
    package enum EndCause: Hashable, Sendable {
        case cancelled
        /// The wait harmed other sessions, and is to be begun anew.
        case renewed
        /// The call had the turn of a key, which other requests want, while it waited for a session. It is to be made anew.
        case yielded
        /// With the reason why the server could not be reached, if the call has waited for that.
        indirect case timedOut(Failure?)
    }

    /// What is worth a line in the log or a count in the metrics.
    package enum Event: Hashable, Sendable {
        case connectFailed(Role, Failure, nextAttemptIn: Duration)
        /// With the requests whose locks were lost with it, except for those on a checked-out session.
        case connectionLost(ConnectionID, Role, Failure, holders: [RequestID])
        /// A shared session has not answered for some time. The next tries go over another one.
        case overdue(ConnectionID)
        /// A lock statement returned an error; `held` says whether it had taken the lock all the same, as far as that is known.
        case verifiedAfterError(held: Bool?)
        case unexpectedAnswer(ConnectionID)
        /// The session's state contradicts an invariant. It is closed.
        case invariantBroken(ConnectionID, String)
        /// The key's state contradicts an invariant. Its holders lose it.
        case keyBroken(AdvisoryKey, String)
        /// A wait that harms other sessions is ended, and begun anew.
        case waitRenewed(ConnectionID)
        /// The server does not show what the session does, so a long statement does not show that the session lives.
        case hiddenActivity(ConnectionID)
    }
}
