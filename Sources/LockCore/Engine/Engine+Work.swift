extension Engine {
    /// What a session is asked to do, answered by one ``Answer``.
    package enum Work: Hashable, Sendable {
        case batch(Batch)
        /// Takes the first free ones of several keys.
        case tryAny(LockTable.ChoiceTry)
        /// Releases those of these keys that the session holds, after a try of them has failed. This verifies that it has left no lock.
        ///
        /// - Parameters:
        ///   - count: How many the try could have taken.
        ///   - failure: Of the try.
        indirect case releaseHeld([AdvisoryKey], Mode, count: Int, because: Failure)
        /// - Parameter limit: The server's own limit (`lock_timeout`), in case no cancel request can end the wait.
        case wait(AdvisoryKey, Mode, limit: Duration?)
        /// Releases all that a session holds. After a failed wait this verifies that the wait has left no lock.
        case releaseAll
        /// Takes a key in the mode in which the session does not hold it, then releases it in the other mode.
        case changeMode(AdvisoryKey, to: Mode)
        /// Cancels what another session runs.
        ///
        /// - Parameter onlyLockWaits: Whether that is done only if the session is waiting for a lock right now.
        case cancel(ConnectionID, onlyLockWaits: Bool)
        /// Whether another connection's session runs a statement right now: see ``BackendActivity``.
        ///
        /// - Parameter forDeadline: Whether only a deadline is the reason to ask.
        case askActivity(ConnectionID, forDeadline: Bool = false)
        /// Which of these sessions harm other sessions by waiting.
        case look([Look])
        /// Which other sessions ask for the release of what these sessions hold.
        case askRequests([ConnectionID])
        /// How many locks there are in the server's lock table, of all sessions.
        case countLocks
        /// Begins a transaction, and ends it.
        case begin
        case commit
        /// Asks for a heartbeat, which costs the server the same whatever the session holds.
        case heartbeat
        /// Writes a record to the server's log, and asks where it is.
        case position
        /// What a call runs on the session that is checked out for it. The engine does not read the answer.
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
        package let keys: OneOrMore<AdvisoryKey>

        package init(_ kind: Kind, _ keys: OneOrMore<AdvisoryKey>) {
            self.kind = kind
            self.keys = keys
        }

        package init(_ kind: Kind, _ keys: [AdvisoryKey]) {
            self.init(kind, OneOrMore(keys))
        }

        // For other modules, in which the generic code of a list is not specialized.

        /// The key, if it is stored as the only one.
        package var onlyKey: AdvisoryKey? { if case .one(let key) = keys { key } else { nil } }
        package var keyArray: [AdvisoryKey] { Array(keys) }
    }

    /// What a session has answered to its oldest work.
    package enum Answer: Hashable, Sendable {
        /// To a batch: for each key, in order, whether it was taken, or whether it was held until now. Where the statement has failed
        /// half way, those that came before the error still stand for what was done.
        case keys(OneOrMore<Bool>, failure: Failure?)
        /// To a try of several keys: the places of those that were taken, from 0 on, in order. They stand also if the statement has failed.
        case chosen([Int], failure: Failure?)
        /// The wait was granted, all was let go of, a transaction has begun or ended, or there is a heartbeat.
        case done
        /// Whether the lock is held in the other mode now. If not, another session holds it, too.
        case changed(Bool)
        /// Whether there was something to cancel.
        case cancelled(Bool)
        case activity(BackendActivity)
        /// One for each session that was asked about.
        case looks([Harm])
        /// For each session that was asked about.
        case requests([[ReleaseRequest]])
        case lockCount(Int)
        case position(WALPosition)
        /// It was not done, or what was answered does not say whether it was.
        case failed(Failure)

        package var failure: Failure? {
            switch self {
            case .keys(_, let failure), .chosen(_, let failure): failure
            case .failed(let failure): failure
            case .done, .changed, .cancelled, .activity, .looks, .requests, .lockCount, .position: nil
            }
        }
    }

    /// What the server says of a session when it is asked over another one.
    package enum BackendActivity: Hashable, Sendable {
        /// Nothing: the role may not see the other's sessions, or no account is kept of what they do.
        case hidden
        /// It runs nothing, or is not there any more.
        case quiet
        /// - Parameter isHeard: Whether it waits for something else than that its client takes what it is sent. If not, the server
        ///   may be about to end it.
        case active(isHeard: Bool)
    }

    /// What the server is asked about a session that waits.
    package struct Look: Hashable, Sendable {
        package let connection: ConnectionID
        /// A snapshot that so many transactions have been begun since is too old, if no other session of the database has an older one.
        package let oldestAge: Int32

        package init(connection: ConnectionID, oldestAge: Int32) {
            self.connection = connection
            self.oldestAge = oldestAge
        }
    }

    /// What the server says of such a session.
    package struct Harm: Hashable, Sendable {
        /// Whether others wait for it, or for its snapshot.
        package let isDone: Bool
        /// Whether some index build waits for other sessions.
        package let isBuildWaiting: Bool

        package init(isDone: Bool, isBuildWaiting: Bool) {
            self.isDone = isDone
            self.isBuildWaiting = isBuildWaiting
        }
    }
}
