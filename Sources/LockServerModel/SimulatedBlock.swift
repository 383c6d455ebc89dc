package import LockCore

/// The open transaction of a session, with the locks since each of its savepoints, as PostgreSQL keeps them.
package struct SimulatedBlock {
    typealias Locked = (key: AdvisoryKey, claim: SimulatedLock.Claim)

    private struct Level {
        let name: String?
        var locks: [Locked] = []
    }

    package private(set) var state = CheckedOutSession.TransactionState.none
    /// Among all transactions of the server.
    package private(set) var number: Int?
    /// The transaction itself, then its savepoints.
    private var levels: [Level] = []
    /// What a statement outside of transactions has locked, until its own end.
    private var ofStatement: [Locked] = []

    mutating func endStatement() -> [Locked] {
        defer { ofStatement = [] }
        return ofStatement
    }

    mutating func begin(_ number: Int) {
        state = .open
        self.number = number
        levels = [Level(name: nil)]
    }

    /// - Returns: What ends with the transaction.
    mutating func end() -> [Locked] {
        defer {
            state = .none
            number = nil
            levels = []
        }
        return levels.flatMap(\.locks)
    }

    mutating func note(_ key: AdvisoryKey, _ claim: SimulatedLock.Claim) {
        guard !levels.isEmpty else { return ofStatement.append((key, claim)) }
        levels[levels.count - 1].locks.append((key, claim))
    }

    /// A lock was released again by the statement that has taken it.
    mutating func forget(_ key: AdvisoryKey, _ claim: SimulatedLock.Claim) {
        guard let index = levels.last?.locks.lastIndex(where: { $0.key == key && $0.claim == claim }) else { return }
        levels[levels.count - 1].locks.remove(at: index)
    }

    /// - Returns: What the error releases at once.
    mutating func abort() -> [Locked] {
        guard state == .open else { return [] }
        state = .aborted
        defer { levels[levels.count - 1].locks = [] }
        return levels[levels.count - 1].locks
    }

    // MARK: Savepoints

    mutating func setSavepoint(_ name: String) {
        levels.append(Level(name: name))
    }

    /// - Returns: Whether there is such a savepoint.
    mutating func release(_ name: String) -> Bool {
        guard let index = levels.lastIndex(where: { $0.name == name }) else { return false }
        let locks = levels[index...].flatMap(\.locks)
        levels.removeSubrange(index...)
        levels[levels.count - 1].locks += locks
        return true
    }

    /// - Returns: What was locked since; `nil` if there is no such savepoint.
    mutating func rollBack(to name: String) -> [Locked]? {
        guard let index = levels.lastIndex(where: { $0.name == name }) else { return nil }
        let locks = levels[index...].flatMap(\.locks)
        levels.removeSubrange((index + 1)...)
        levels[index].locks = []
        state = .open
        return locks
    }
}
