package import LockCore

/// The SQL of a scope's body, which only the server understands.
package enum SimulatedBody: Sendable {
    case work(Duration)
    /// Takes a lock of the transaction if it is free, as `ConnectionLock` does it.
    case tryLock(AdvisoryKey, Mode)
    /// Waits for a lock of the transaction, at most for so long, and catches what ends the wait.
    case wait(AdvisoryKey, Mode, limit: Duration)
    case mistake
    /// Fails like this.
    case refused(Failure)
    case savepoint(String)
    case releaseSavepoint(String)
    case rollBackToSavepoint(String)
    case begin
    case commit(chained: Bool)
    case rollBack(chained: Bool)
    /// Sets `default_transaction_deferrable`.
    case setDeferrable(Bool)

    /// The server's command tag.
    var tag: String {
        switch self {
        case .work, .tryLock, .mistake, .refused: "SELECT 1"
        case .wait: "DO"
        case .savepoint: "SAVEPOINT"
        case .releaseSavepoint: "RELEASE"
        case .rollBackToSavepoint, .rollBack: "ROLLBACK"
        case .begin: "BEGIN"
        case .commit: "COMMIT"
        case .setDeferrable: "SET"
        }
    }

    /// Whether a failed transaction runs it all the same.
    var endsFailure: Bool {
        switch self {
        case .rollBackToSavepoint, .commit, .rollBack: true
        case .work, .tryLock, .wait, .mistake, .refused, .savepoint, .releaseSavepoint, .begin, .setDeferrable: false
        }
    }
}
