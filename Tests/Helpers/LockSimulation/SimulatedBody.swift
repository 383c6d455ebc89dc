import LockCore

/// The SQL of a scope's body, which only the server understands.
enum SimulatedBody {
    case work(Duration)
    /// Takes a lock of the transaction if it is free, as `ConnectionLock` does it.
    case tryLock(AdvisoryKey, Mode)
    /// Waits for a lock of the transaction, at most for so long, and catches what ends the wait.
    case wait(AdvisoryKey, Mode, limit: Duration)
    case mistake
    case savepoint(String)
    case releaseSavepoint(String)
    case rollBackToSavepoint(String)
    case begin
    case commit(chained: Bool)
    case rollBack(chained: Bool)
    /// Sets `default_transaction_deferrable`.
    case setDeferrable(Bool)

    /// The SQL text, in one of several ways to write it.
    func sql(_ chance: Chance) -> String {
        switch self {
        case .work, .tryLock: "SELECT 1"
        case .wait: "DO"
        case .mistake: "SELECT 1 / 0"
        case .savepoint(let name): "\(chance.one(of: ["SAVEPOINT", "savepoint"])) \(spelled(name, chance))"
        case .releaseSavepoint(let name): "\(chance.one(of: ["RELEASE", "RELEASE SAVEPOINT"])) \(spelled(name, chance))"
        case .rollBackToSavepoint(let name): "\(chance.one(of: ["ROLLBACK TO", "ROLLBACK TO SAVEPOINT"])) \(spelled(name, chance))"
        case .begin: "BEGIN"
        case .commit(let isChained): isChained ? "COMMIT AND CHAIN" : "COMMIT"
        case .rollBack(let isChained): isChained ? "ROLLBACK AND CHAIN" : "ROLLBACK"
        case .setDeferrable(let isOn): "SET default_transaction_deferrable = \(isOn ? "on" : "off")"
        }
    }

    private func spelled(_ name: String, _ chance: Chance) -> String {
        chance.one(of: [name, "\"\(name)\"", "\(name);", "U&\"\(name)\"", "/* savepoint one */ \(name)", "\(name) -- savepoint two"])
    }

    /// The server's command tag.
    var tag: String {
        switch self {
        case .work, .tryLock, .mistake: "SELECT 1"
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
        case .work, .tryLock, .wait, .mistake, .savepoint, .releaseSavepoint, .begin, .setDeferrable: false
        }
    }
}
