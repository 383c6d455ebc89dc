/// Keys that wait to be sent on a shared session for one purpose, sorted by the statement that they share.
struct PendingKeys: Sendable {
    private typealias Kind = Engine.Batch.Kind

    private let verb: Engine.Batch.Kind.Verb
    /// In the order of ``Engine/Batch/Kind/all``.
    private var keys = [[AdvisoryKey]](repeating: [], count: Kind.all.count / Kind.Verb.allCases.count)
    private(set) var count = 0

    init(_ verb: Engine.Batch.Kind.Verb) {
        self.verb = verb
    }

    var isEmpty: Bool { count == 0 }

    mutating func append(_ key: AdvisoryKey, _ mode: Mode) {
        keys[Kind(verb, mode, key.space).index % keys.count].append(key)
        count += 1
    }

    /// Takes out the keys that came last. Their mode and key space make no difference: each time, the statement with the most keys gives one.
    mutating func takeNewest(_ excess: Int) -> [AdvisoryKey] {
        var taken: [AdvisoryKey] = []
        while taken.count < excess, let index = keys.indices.max(by: { keys[$0].count < keys[$1].count }),
            let key = keys[index].popLast()
        {
            taken.append(key)
            count -= 1
        }
        return taken
    }

    /// Takes everything out, one by one.
    mutating func takeKeys() -> [AdvisoryKey] {
        defer { count = 0 }
        return keys.indices.flatMap { takeKeys(at: $0) }
    }

    /// Takes the only key out.
    ///
    /// - Returns: `nil` if there are none or several.
    mutating func takeOnly() -> Engine.Batch? {
        guard count == 1, let index = keys.firstIndex(where: { !$0.isEmpty }) else { return nil }
        count = 0
        return takeOnly(at: index)
    }

    /// The array keeps its memory for the next key.
    private mutating func takeOnly(at index: Int) -> Engine.Batch {
        Engine.Batch(kind(at: index), .one(keys[index].removeLast()))
    }

    private func kind(at index: Int) -> Kind { Kind.all[Int(verb.rawValue) * keys.count + index] }

    /// Takes everything out, in statements of at most `size` keys, which become the last work of a round.
    mutating func takeBatches(into round: inout [Engine.Work], size: Int) {
        guard count > 0 else { return }
        for index in keys.indices where !keys[index].isEmpty {
            guard keys[index].count > 1 else {
                round.append(.batch(takeOnly(at: index)))
                continue
            }
            let kind = kind(at: index)
            let taken = takeKeys(at: index)
            if taken.count <= size {
                round.append(.batch(Engine.Batch(kind, taken)))
            } else {
                for start in stride(from: 0, to: taken.count, by: size) {
                    round.append(.batch(Engine.Batch(kind, Array(taken[start..<min(start + size, taken.count)]))))
                }
            }
        }
        count = 0
    }

    private mutating func takeKeys(at index: Int) -> [AdvisoryKey] {
        var taken: [AdvisoryKey] = []
        swap(&taken, &keys[index])
        return taken
    }
}
