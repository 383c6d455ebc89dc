import DequeModule

/// Keys or calls that wait for something, in order of arrival.
///
/// Any element may leave at any time, at the same cost wherever it stands: its slot in the deque stays until the front reaches it, or until
/// such slots are the majority. Besides the order of arrival there is a rotation: each part of the queue begins where the last one ended.
///
/// The requests for one key are in a ``RequestQueue`` instead, which allocates nothing for a request that is granted at once.
struct WaitQueue<Element: Hashable & Sendable>: Sendable {
    private struct Slot {
        let element: Element
        /// Grows with every arrival, so an element that has come again differs from its earlier slot.
        let number: UInt64
    }

    private var order = Deque<Slot>()
    private var numbers: [Element: UInt64] = [:]
    private var arrivals: UInt64 = 0
    /// The number of the last element of the latest part.
    private var turn: UInt64 = 0

    var count: Int { numbers.count }
    var isEmpty: Bool { numbers.isEmpty }

    mutating func append(_ element: Element) {
        arrivals += 1
        numbers[element] = arrivals
        order.append(Slot(element: element, number: arrivals))
    }

    /// - Returns: Whether it was there.
    @discardableResult
    mutating func remove(_ element: Element) -> Bool {
        guard numbers.removeValue(forKey: element) != nil else { return false }
        if numbers.isEmpty {
            order.removeAll()
        } else if order.count > 2 * numbers.count + 32 {
            order.removeAll { [numbers] in numbers[$0.element] != $0.number }
        }
        return true
    }

    mutating func popFirst() -> Element? {
        guard let element = first else { return nil }
        remove(element)
        return element
    }

    /// Takes all out, the oldest first.
    mutating func takeAll() -> [Element] {
        defer { self = WaitQueue() }
        return elements
    }

    /// The element that has waited longest.
    var first: Element? {
        mutating get {
            while let slot = order.first {
                if isTaken(slot) { return slot.element }
                order.removeFirst()
            }
            return nil
        }
    }

    /// The next elements in rotation, each at most once.
    mutating func nextPart(_ limit: Int) -> [Element] {
        var part: [Element] = []
        guard limit > 0, !order.isEmpty else { return part }
        part.reserveCapacity(min(limit, count))
        let start = firstIndex(after: turn)
        for offset in order.indices {
            let slot = order[(start + offset) % order.count]
            guard isTaken(slot) else { continue }
            part.append(slot.element)
            turn = slot.number
            if part.count == limit { break }
        }
        return part
    }

    /// The oldest first.
    var elements: [Element] { order.filter(isTaken).map(\.element) }

    /// Whether it is one of the so many that have waited longest. The slots between these that are free go, so that each is looked at once.
    mutating func isAmongFirst(_ count: Int, _ element: Element) -> Bool {
        var front: [Slot] = []
        while front.count < count, let slot = order.popFirst() {
            if isTaken(slot) { front.append(slot) }
        }
        order.prepend(contentsOf: front)
        return front.contains { $0.element == element }
    }

    private func isTaken(_ slot: Slot) -> Bool { numbers[slot.element] == slot.number }

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
