/// Keys that wait to be sent on a shared session for one purpose, sorted by the statement that they share.
struct PendingKeys: Sendable {
    private let verb: Engine.Batch.Kind.Verb
    private var keys = [[AdvisoryKey]](repeating: [], count: Mode.allCases.count * AdvisoryKey.Space.allCases.count)
    private(set) var count = 0

    init(_ verb: Engine.Batch.Kind.Verb) {
        self.verb = verb
    }

    var isEmpty: Bool { count == 0 }

    mutating func append(_ key: AdvisoryKey, _ mode: Mode) {
        keys[Self.index(mode, key.space)].append(key)
        count += 1
    }

    /// Takes out the keys that came last. Their mode and key space make no difference: each time, the statement with the most keys gives
    /// one.
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
        for mode in Mode.allCases {
            for space in AdvisoryKey.Space.allCases {
                let index = Self.index(mode, space)
                var rest = keys[index][...]
                while !rest.isEmpty {
                    batches.append(Engine.Batch(Engine.Batch.Kind(verb, mode, space), Array(rest.prefix(size))))
                    rest = rest.dropFirst(size)
                }
                keys[index].removeAll(keepingCapacity: true)
            }
        }
        count = 0
        return batches
    }

    private static func index(_ mode: Mode, _ space: AdvisoryKey.Space) -> Int {
        Int(mode.rawValue) * AdvisoryKey.Space.allCases.count + Int(space.rawValue)
    }
}
