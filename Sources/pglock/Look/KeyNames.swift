import LockCore
import PostgresLock

/// The names of locks, by their numbers.
struct KeyNames {
    private var names: [AdvisoryKey: String] = [:]
    /// Of the pairs that an election uses, by their first numbers.
    private var classes: [Int32: String] = [:]

    /// Begins with the locks of migration tools, whose keys depend on the database only.
    init(database: String) {
        for key in [LockKey.goose, .golangMigrate(database: database), .railsMigrations(database: database)] {
            if let name = key.name { names[key.advisory] = name }
        }
    }

    mutating func add(_ name: String, _ key: LockKey) {
        names[key.advisory] = name
        for (prefix, use) in [("term", "since when the leader leads"), ("resign", "asks the leader to step down")] {
            guard let number = LockKey("pglock:\(prefix):\(name)").number else { continue }
            classes[Int32(truncatingIfNeeded: number >> 32)] = "\(name) (\(use))"
        }
    }

    /// The name, or the number.
    func text(_ key: AdvisoryKey) -> String {
        if let name = name(key) { return Clean.text(name) }
        return KeyText.numbers(of: LockKey(key))
    }

    /// The name and the number.
    func full(_ key: AdvisoryKey) -> String {
        let number = KeyText.numbers(of: LockKey(key))
        return name(key).map { "\(Clean.text($0)) (\(number))" } ?? number
    }

    func name(_ key: AdvisoryKey) -> String? {
        if let name = names[key] { return name }
        guard key.space == .int4Pair else { return nil }
        return classes[key.pair.first] ?? ReleaseProtocol.use(of: LockKey(key)).map { "pglock: \($0)" }
    }
}
