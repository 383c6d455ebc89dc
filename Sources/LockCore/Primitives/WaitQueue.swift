import DequeModule

/// Keys that wait for something, a connection or room in the server's lock table, in order of arrival.
///
/// Any of them may leave at any time. Who has left keeps its place in the deque until the front reaches it, or until such
/// places are the majority; so leaving costs the same wherever one stands. Besides the order of arrival there is a
/// rotation: who goes through the queue in parts begins where the last part ended.
struct WaitQueue: Sendable {
    private struct Slot {
        let key: AdvisoryKey
        /// Grows with every arrival, so that a key that has come again is told from its earlier place.
        let number: UInt64
    }

    private var order = Deque<Slot>()
    private var numbers: [AdvisoryKey: UInt64] = [:]
    private var arrivals: UInt64 = 0
    /// The last of the part that was gone through last.
    private var turn: UInt64 = 0

    var count: Int { numbers.count }
    var isEmpty: Bool { numbers.isEmpty }

    mutating func append(_ key: AdvisoryKey) {
        arrivals += 1
        numbers[key] = arrivals
        order.append(Slot(key: key, number: arrivals))
    }

    /// - Returns: Whether it was there.
    @discardableResult
    mutating func remove(_ key: AdvisoryKey) -> Bool {
        guard numbers.removeValue(forKey: key) != nil else { return false }
        if numbers.isEmpty {
            order.removeAll()
        } else if order.count > 2 * numbers.count + 32 {
            order.removeAll { [numbers] in numbers[$0.key] != $0.number }
        }
        return true
    }

    mutating func popFirst() -> AdvisoryKey? {
        guard let key = first else { return nil }
        remove(key)
        return key
    }

    /// Takes all out, the oldest first.
    mutating func takeAll() -> [AdvisoryKey] {
        defer { self = WaitQueue() }
        return keys
    }

    /// Who has waited longest.
    var first: AdvisoryKey? {
        mutating get {
            while let slot = order.first {
                if isTaken(slot) { return slot.key }
                order.removeFirst()
            }
            return nil
        }
    }

    /// The next ones in rotation, each at most once.
    mutating func nextPart(_ limit: Int) -> [AdvisoryKey] {
        var keys: [AdvisoryKey] = []
        guard limit > 0, !order.isEmpty else { return keys }
        keys.reserveCapacity(min(limit, count))
        let start = firstIndex(after: turn)
        for offset in order.indices {
            let slot = order[(start + offset) % order.count]
            guard isTaken(slot) else { continue }
            keys.append(slot.key)
            turn = slot.number
            if keys.count == limit { break }
        }
        return keys
    }

    /// All, the oldest first.
    var keys: [AdvisoryKey] {
        order.filter(isTaken).map(\.key)
    }

    private func isTaken(_ slot: Slot) -> Bool {
        numbers[slot.key] == slot.number
    }

    /// The numbers in the deque are ascending.
    private func firstIndex(after number: UInt64) -> Int {
        var (low, high) = (0, order.count)
        while low < high {
            let middle = (low + high) / 2
            if order[middle].number <= number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
