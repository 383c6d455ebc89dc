package import LockCore

/// Simulated time: the planned events, earliest first; at the same instant, in the order in which they were planned.
package final class Agenda {
    private struct Entry {
        let at: Instant
        let number: UInt64
        let action: () -> Void

        func comesBefore(_ other: Entry) -> Bool {
            (at, number) < (other.at, other.number)
        }
    }

    private var heap: [Entry] = []
    private var nextNumber: UInt64 = 0
    package private(set) var now = Instant(nanoseconds: 0)
    /// How many events have happened.
    package private(set) var steps = 0

    package init() {}

    /// When the next event happens.
    package var next: Instant? { heap.first?.at }

    package func plan(after delay: Duration = .zero, _ action: @escaping () -> Void) {
        plan(at: now.advanced(by: delay), action)
    }

    package func plan(at instant: Instant, _ action: @escaping () -> Void) {
        heap.append(Entry(at: max(instant, now), number: nextNumber, action: action))
        nextNumber += 1
        rise(from: heap.count - 1)
    }

    /// Runs the next event, unless it is later than `end`; then the time is `end`.
    package func step(until end: Instant) -> Bool {
        guard let first = heap.first, first.at <= end else {
            now = max(now, end)
            return false
        }
        now = first.at
        steps += 1
        removeFirst()
        first.action()
        return true
    }

    // MARK: A binary heap

    private func rise(from start: Int) {
        var index = start
        while index > 0, heap[index].comesBefore(heap[(index - 1) / 2]) {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    private func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count && heap[child].comesBefore(heap[least]) {
                least = child
            }
            guard least != index else { return }
            heap.swapAt(index, least)
            index = least
        }
    }
}
