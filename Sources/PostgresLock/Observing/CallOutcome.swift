/// How a call for locks has ended, as metrics and spans name it.
enum CallOutcome: String, CaseIterable, Sendable {
    case granted
    case timedOut = "timed_out"
    case cancelled
    /// The call does not wait, and the lock is taken.
    case notAvailable = "not_available"
    case deadlock
    /// There is no room for another lock.
    case capacity
    /// The manager was shut down, or the service of the call shuts down gracefully.
    case shutDown = "shut_down"
    case error

    init(_ error: any Error) {
        guard let error = error as? LockError else {
            self = error is CancellationError ? .cancelled : .error
            return
        }
        // Without a default, so that a new code without its outcome does not compile.
        switch error.code.name {
        case .timedOut: self = .timedOut
        case .deadlock: self = .deadlock
        case .capacity, .lockTableFull: self = .capacity
        case .shutDown: self = .shutDown
        case .cannotConnect, .authenticationFailed, .tooManyConnections, .serverTooOld, .transactionPooling, .locksDoNotExclude,
            .notPrimary, .anotherServer, .badConfiguration, .invalidArgument, .noAnswer, .poolExhausted, .alreadyHeld, .connectionLost,
            .lockLost, .notReleased, .releaseRequested, .commitOutcomeUnknown, .statementFailed, .decodingFailed, .noRunTable,
            .runMismatch, .shareMismatch, .limitMismatch:
            self = .error
        }
    }
}

/// What a call asks for.
enum CallKind: String, Sendable {
    case lock
    /// Several locks together.
    case lockSet = "lock_set"
    case session
    /// A lock of an explicit session.
    case sessionLock = "session_lock"
    case transaction
    /// A further lock of a transaction.
    case transactionLock = "transaction_lock"

    /// For lines of the log and names of spans.
    var noun: String {
        switch self {
        case .lock, .sessionLock, .transactionLock: "lock"
        case .lockSet: "locks"
        case .session: "session"
        case .transaction: "transaction"
        }
    }
}

extension LockError {
    /// The attribute `error.type`, which has few values.
    static func typeName(of error: any Error) -> String {
        (error as? LockError)?.code.description ?? (error is CancellationError ? "cancelled" : "_OTHER")
    }
}
