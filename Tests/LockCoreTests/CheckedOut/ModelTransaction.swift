import LockCore

/// The locks of a transaction, as PostgreSQL keeps them: each savepoint begins a subtransaction, whose locks an error releases at once.
struct ModelTransaction {
    private var levels: [(name: String, locks: Set<AdvisoryKey>)] = [("", [])]
    private(set) var isAborted = false

    var locks: Set<AdvisoryKey> { levels.reduce(into: []) { $0.formUnion($1.locks) } }

    /// A lock that is held already is granted again, but stays where it is.
    mutating func lock(_ key: AdvisoryKey) {
        if !locks.contains(key) { levels[levels.count - 1].locks.insert(key) }
    }

    mutating func fail() {
        if !isAborted { levels[levels.count - 1].locks = [] }
        isAborted = true
    }

    mutating func setSavepoint(_ name: String) -> Bool {
        guard !isAborted else { return false }
        levels.append((name, []))
        return true
    }

    mutating func release(_ name: String) -> Bool {
        guard !isAborted, let index = levels.lastIndex(where: { $0.name == name }), index > 0 else {
            fail()
            return false
        }
        for level in levels[index...] { levels[index - 1].locks.formUnion(level.locks) }
        levels.removeSubrange(index...)
        return true
    }

    mutating func rollBack(to name: String) -> Bool {
        guard let index = levels.lastIndex(where: { $0.name == name }), index > 0 else {
            fail()
            return false
        }
        levels.removeSubrange((index + 1)...)
        levels[index].locks = []
        isAborted = false
        return true
    }

    /// Another transaction follows at once.
    mutating func chain() { self = ModelTransaction() }
}
