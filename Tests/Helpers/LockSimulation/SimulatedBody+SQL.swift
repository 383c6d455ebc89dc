import LockServerModel

extension SimulatedBody {
    /// The SQL text, in one of several ways to write it.
    func sql(_ chance: Chance) -> String {
        switch self {
        case .work, .tryLock: "SELECT 1"
        case .wait: "DO"
        case .mistake, .refused: "SELECT 1 / 0"
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
}
