/// What waits to be sent on the carrier: keys, sorted by the statement that they share.
struct PendingBatches: Sendable {
    private var keys = [[AdvisoryKey]](repeating: [], count: Engine.Batch.Kind.all.count)
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    mutating func append(_ key: AdvisoryKey, _ verb: Engine.Batch.Kind.Verb, _ mode: Mode) {
        keys[Engine.Batch.Kind(verb, mode, key.space).index].append(key)
        count += 1
    }

    /// Takes the keys out that were to be tried; forgets those that were to be released, with their session.
    mutating func takeTries() -> [AdvisoryKey] {
        takeAll(size: .max).filter { $0.kind.verb == .tryLock }.flatMap(\.keys)
    }

    func count(of verb: Engine.Batch.Kind.Verb) -> Int {
        Engine.Batch.Kind.all.reduce(0) { $0 + ($1.verb == verb ? keys[$1.index].count : 0) }
    }

    /// Takes the tries out that came last. Which mode or key space they are of makes no difference: the statement that has
    /// most keys gives one, then the next.
    mutating func takeNewestTries(_ excess: Int) -> [AdvisoryKey] {
        let tries = Engine.Batch.Kind.all.filter { $0.verb == .tryLock }.map(\.index)
        var taken: [AdvisoryKey] = []
        while taken.count < excess, let index = tries.max(by: { keys[$0].count < keys[$1].count }),
            let key = keys[index].popLast()
        {
            taken.append(key)
            count -= 1
        }
        return taken
    }

    /// Takes everything out, in statements of at most `size` keys.
    mutating func takeAll(size: Int) -> [Engine.Batch] {
        var batches: [Engine.Batch] = []
        for (index, kind) in Engine.Batch.Kind.all.enumerated() where !keys[index].isEmpty {
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
