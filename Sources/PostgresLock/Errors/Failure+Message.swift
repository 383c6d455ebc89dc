import LockCore

extension Failure {
    /// For people: one sentence or several, or a part of one.
    var message: String { cause.text }
}

extension Failure.Cause {
    fileprivate var text: String {
        switch self {
        case .said(let text): text
        case .stillConnecting: "The connection was still being made."
        case .unanswered: "The server had not answered that."
        case .noAnswer: "The server did not answer in time, so the connection was given up."
        case .silent: "The server did not answer for so long that it may have given the lock to others."
        case .gone: "The connection is gone."
        case .shutDown: "The lock manager has been shut down."
        case .unexpectedAnswer: "The server's answer did not fit what was asked."
        case .unexpectedToken: "The server's answer did not fit what was asked for a fencing token."
        case .noAnswerToCommit: "The server answered nothing."
        case .unknownHold(nil, let cause): "Whether a lock is held can't be found out: \(cause.text)"
        case .unknownHold(let key?, let cause): "Whether the lock \(key) is held can't be found out: \(cause.text)"
        case .unknownRollback: "Which locks a rollback has released can't be found out."
        case .unknownWait: "Which lock the session has waited for can't be found out."
        case .notHeld: "The lock is not held."
        case .notHeldAtServer(nil): "The server says that its session did not hold the lock."
        case .notHeldAtServer(let key?): "The server says that its session did not hold the lock \(key)."
        case .modeIsChanging: "The lock's mode is being changed already."
        case .releasedWithoutToken: "The lock was released before it had its token."
        case .endedBySQL: "Its transaction was ended by SQL of its own, and its locks with it."
        case .full(let fullness): fullness.text
        case .impossibleSession(let what): "Of the session something was true that can't be: \(what)."
        case .impossibleLock(let what): "Of the lock something was true that can't be: \(what)."
        }
    }
}

extension Failure.Fullness {
    fileprivate var text: String {
        let reason =
            switch capacity {
            case .fraction(let fraction):
                """
                \(isAll ? "no less than " : "")\(fraction) of the \(lockTableSize ?? count) that the server's lock table is sure to have room for \
                (max_locks_per_transaction × (max_connections + max_prepared_transactions))
                """
            case .keys, .unlimited: "the limit that is configured"
            }
        let subject = isAll ? "All sessions of the server together hold or ask for" : "This manager holds or asks for"
        return "\(subject) \(count) locks already, which is \(reason)"
    }
}
