import LockCore

/// Why locks were lost, as metrics name it.
enum LossReason: String, CaseIterable, Sendable {
    case connectionLost = "connection_lost"
    /// The server has not answered in time.
    case noAnswer = "no_answer"
    /// It was silent for so long that it may have given the lock to others.
    case leaseExpired = "lease_expired"
    /// A failed statement of the transaction has released it.
    case statementFailed = "statement_failed"
    case shutDown = "shut_down"

    init(_ failure: Failure) {
        switch failure.kind {
        case .noAnswer: self = .noAnswer
        case .suspect: self = .leaseExpired
        case .shutDown: self = .shutDown
        default: self = .connectionLost
        }
    }
}
