import HeapModule

/// The deadlines of many requests, earliest first.
///
/// Most deadlines never come, because their requests end before. So an ended request leaves its entry behind, and when such entries are the
/// majority the heap is rebuilt. That makes removal free on average, and keeps memory bounded.
package struct DeadlineQueue: Sendable {
    package struct Entry: Comparable, Sendable {
        package let deadline: Instant
        package let id: RequestID

        package static func < (left: Entry, right: Entry) -> Bool {
            (left.deadline, left.id.rawValue) < (right.deadline, right.id.rawValue)
        }
    }

    private var heap = Heap<Entry>()
    private var dead = 0

    package init() {}

    package mutating func insert(_ id: RequestID, at deadline: Instant) {
        heap.insert(Entry(deadline: deadline, id: id))
    }

    /// One of the inserted requests has ended; `isAlive` must already return `false` for it.
    package mutating func noteEnded(isAlive: (RequestID) -> Bool) {
        dead += 1
        guard dead > 64, dead > heap.count / 2 else { return }
        heap = Heap(heap.unordered.filter { isAlive($0.id) })
        dead = 0
    }

    /// The earliest deadline of a request that has not ended.
    package mutating func earliest(isAlive: (RequestID) -> Bool) -> Entry? {
        while let first = heap.min {
            if isAlive(first.id) { return first }
            heap.removeMin()
            dead -= 1
        }
        return nil
    }

    /// Takes the earliest request that has not ended out if its deadline has come.
    package mutating func popDue(now: Instant, isAlive: (RequestID) -> Bool) -> RequestID? {
        guard let first = earliest(isAlive: isAlive), first.deadline <= now else { return nil }
        heap.removeMin()
        // Its end is noted later, and it leaves no entry behind.
        dead -= 1
        return first.id
    }

    package var count: Int { heap.count }
}
