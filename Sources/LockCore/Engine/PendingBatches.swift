/// What waits to be sent on the carrier: keys, sorted by the statement that they share.
struct PendingBatches: Sendable {
    /// Releases come first: what they free may be what a try of the same round asks for.
    private static let kinds: [Engine.Batch.Kind] = [.unlock, .tryLock].flatMap { verb in
        Mode.allCases.flatMap { mode in
            AdvisoryKey.Space.allCases.map { Engine.Batch.Kind(verb, mode, $0) }
        }
    }

    private var keys = [[AdvisoryKey]](repeating: [], count: kinds.count)
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    mutating func append(_ key: AdvisoryKey, _ verb: Engine.Batch.Kind.Verb, _ mode: Mode) {
        let index = Int(verb.rawValue) * 4 + Int(mode.rawValue) * 2 + Int(key.space.rawValue)
        keys[index].append(key)
        count += 1
    }

    /// Takes the keys out that were to be tried; forgets those that were to be released, with their session.
    mutating func takeTries() -> [AdvisoryKey] {
        takeAll(size: .max).filter { $0.kind.verb == .tryLock }.flatMap(\.keys)
    }

    /// Takes everything out, in statements of at most `size` keys.
    mutating func takeAll(size: Int) -> [Engine.Batch] {
        var batches: [Engine.Batch] = []
        for (index, kind) in Self.kinds.enumerated() where !keys[index].isEmpty {
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
