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

    /// What a session is asked to do, answered by one ``Answer``.
    package enum Work: Hashable, Sendable {
        case batch(Batch)
        /// `limit` is the server-side backstop (`lock_timeout`), should nobody be able to end the wait.
        case wait(AdvisoryKey, Mode, limit: Duration?)
        /// Lets go of all that a session holds: what proves of a failed wait that it has left nothing.
        case releaseAll
        /// Takes a key that the session holds in the other mode, then lets go of the one that it was held in.
        case changeMode(AdvisoryKey, to: Mode)
        /// Cancels the wait of another connection, if that is waiting for a lock right now.
        case cancel(ConnectionID, onlyLockWaits: Bool)
        /// Whether another connection's session runs a statement right now: see ``BackendActivity``.
        ///
        /// - Parameter forDeadline: Whether only a deadline is the reason to ask.
        case askActivity(ConnectionID, forDeadline: Bool = false)
        /// Which of these sessions harm others by waiting.
        case look([Look])
        /// How many locks there are in the server's lock table, of all sessions.
        case countLocks
        /// Begins a transaction, and ends it.
        case begin
        case commit
        /// Asks for a heartbeat, which costs the server nothing, whatever the session holds.
        case heartbeat
        /// Writes a record to the server's log, and asks where it is.
        case position
        /// What the call asks for on the session that is checked out for it. The answer is the call's own.
        case statement(RequestID)
    }

    /// Many keys in one statement; all of a kind.
    package struct Batch: Hashable, Sendable {
        package struct Kind: Hashable, Sendable {
            package enum Verb: UInt8, Hashable, Sendable, CaseIterable {
                case unlock
                case tryLock
            }

            package let verb: Verb
            package let mode: Mode
            package let space: AdvisoryKey.Space

            package init(_ verb: Verb, _ mode: Mode, _ space: AdvisoryKey.Space) {
                self.verb = verb
                self.mode = mode
                self.space = space
            }

            /// Releases come first: what they free may be what a try of the same round asks for.
            package static let all: [Kind] = Verb.allCases.flatMap { verb in
                Mode.allCases.flatMap { mode in
                    AdvisoryKey.Space.allCases.map { Kind(verb, mode, $0) }
                }
            }

            /// Where it stands in ``all``.
            package var index: Int {
                Int(verb.rawValue) * 4 + Int(mode.rawValue) * 2 + Int(space.rawValue)
            }
        }

        /// How many keys one row answers for. A row of its own for each key would cost the server, and libpq even more,
        /// several times what the lock costs.
        package static let keysPerRow = 16

        package let kind: Kind
        package let keys: [AdvisoryKey]

        package init(_ kind: Kind, _ keys: [AdvisoryKey]) {
            self.kind = kind
            self.keys = keys
        }
    }

    /// What a session has answered to its oldest work.
    package enum Answer: Hashable, Sendable {
        /// To a batch: for each key, in order, whether it was taken, or whether it was held until now. Where the statement has failed
        /// half way, those that came before the error still stand for what was done.
        case keys([Bool], failure: Failure?)
        /// The wait was granted, all was let go of, a transaction has begun or ended, or there is a heartbeat.
        case done
        /// Whether the lock is held in the other mode now. If not, another session holds it, too.
        case changed(Bool)
        /// Whether there was something to cancel.
        case cancelled(Bool)
        case activity(BackendActivity)
        /// One for each session that was asked about.
        case looks([Harm])
        case lockCount(Int)
        case position(WALPosition)
        /// It was not done, or what was answered does not say whether it was.
        case failed(Failure)

        package var failure: Failure? {
            switch self {
            case .keys(_, let failure): failure
            case .failed(let failure): failure
            case .done, .changed, .cancelled, .activity, .looks, .lockCount, .position: nil
            }
        }
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
