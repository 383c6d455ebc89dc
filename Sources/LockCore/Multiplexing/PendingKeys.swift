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
        takeBatches(size: .max).flatMap(\.keys)
    }

    /// Takes everything out, in statements of at most `size` keys.
    mutating func takeBatches(size: Int) -> [Engine.Batch] {
        guard count > 0 else { return [] }
        var batches: [Engine.Batch] = []
        for index in keys.indices where !keys[index].isEmpty {
            let kind = Kind.all[Int(verb.rawValue) * keys.count + index]
            var rest = keys[index][...]
            while !rest.isEmpty {
                batches.append(Engine.Batch(kind, Array(rest.prefix(size))))
                rest = rest.dropFirst(size)
            }
            keys[index].removeAll(keepingCapacity: true)
        }
        count = 0
        return batches
    }
}
