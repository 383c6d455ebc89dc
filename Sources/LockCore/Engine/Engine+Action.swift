extension Engine {
    /// What the driver must do. Actions are carried out in order, once the event that caused them is over.
    package enum Action: Hashable, Sendable {
        /// The call ends like this.
        case resolve(RequestID, Outcome)
        /// The lock that this request was granted is gone.
        case lose(RequestID, Failure)
        /// A connection is gone that was lent, and all that was held on it.
        case endAccess(ConnectionID, Failure)
        /// Locks on this connection are held for certain until then.
        case renew(ConnectionID, until: Instant)
        /// These locks, all that there are on the connection, are no longer held for certain. They are still to be released.
        case suspect(ConnectionID, [RequestID], Failure)
        /// The lock's fencing token. Comes before the call that waits for it is resolved.
        case giveToken(RequestID, WALPosition, index: UInt32)
        case connect(ConnectionID, Role)
        /// Ask all hosts whether another server was promoted.
        case survey
        case submit(ConnectionID, Work)
        /// An idle connection serves another purpose from now on; for those who watch what sessions are for.
        case convert(ConnectionID, to: Role)
        /// Cancel what the connection runs by other means than the shared session.
        case cancelOutOfBand(ConnectionID)
        /// Close it, whatever it does.
        case close(ConnectionID)
        /// The shutdown is complete.
        case terminated
        case log(Event)
    }

    /// A word or two, with failures kept aside: it has a place on the stack of every task that waits, several times over.
    package enum Outcome: Hashable, Sendable {
        case granted
        /// A try found the lock taken.
        case refused
        case released
        /// Whether the held lock is in the wanted mode now.
        case changed(Bool)
        /// A connection is lent until it is given back.
        case checkedOut(ConnectionID)
        /// A statement on a checked-out session is answered, and nothing that was sent to cancel it can strike any more.
        case settled(cause: EndCause?)
        case ended(EndCause)
        indirect case failed(Failure)
    }

    /// Why a call ended before it got what it wanted.
    package enum EndCause: Hashable, Sendable {
        case cancelled
        /// The wait did harm to others, and is to be begun anew.
        case renewed
        /// The call had the turn of a key, which others want, while it waited for a connection. It is to be made anew.
        case yielded
        /// With the reason why the server could not be reached, where that was what took so long.
        indirect case timedOut(Failure?)
    }

    package enum Role: Hashable, Sendable {
        /// Never runs a statement that may block.
        case shared
        /// Runs one blocking lock statement, then holds that key.
        case waiting
        /// Lent to a transaction.
        case checkedOut
        /// Writes the records that fencing tokens come from.
        case fencing
    }

    /// What is worth a line in the log or a count in the metrics.
    package enum Event: Hashable, Sendable {
        case connectFailed(Role, Failure, nextAttemptIn: Duration)
        case connectionLost(ConnectionID, Role, Failure)
        /// A shared connection has not answered for some time; what is to be tried next goes over another one.
        case overdue(ConnectionID)
        /// A lock statement returned an error; `held` says whether it had taken the lock all the same, as far as that is known.
        case verifiedAfterError(held: Bool?)
        case unexpectedAnswer(ConnectionID)
        /// Something is true of the session that can't be. It is given up.
        case invariantBroken(ConnectionID, String)
        /// Something is true of the key that can't be. Its holders lose it.
        case keyBroken(AdvisoryKey, String)
        /// A wait that does harm to others is ended, and begun anew.
        case waitRenewed(ConnectionID)
        /// The server does not show what the session does, so that a statement that runs for long proves nothing.
        case hiddenActivity(ConnectionID)
    }
}
