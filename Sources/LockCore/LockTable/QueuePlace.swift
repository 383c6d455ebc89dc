/// Where a request stands in the queue of its key: in front of those that have a later place, and behind all others.
///
/// Without a place of its own, a request stands where it arrives. A caller that asks for something else first gives its requests places, and keeps
/// the order of its calls that way, however long each of these takes until it asks for the lock. All places for one lock table come from the same
/// ``QueuePlaces``, since several callers may ask for one key.
package struct QueuePlace: Hashable, Sendable {
    /// Behind those that are in the queue.
    package static let last = QueuePlace(number: 0)
    /// The place that comes before all others.
    package static let first = QueuePlace(number: 1)
    /// The place after which the numbers begin anew.
    package static let greatest = QueuePlace(number: .max)

    /// 32 bits, so that a request that waits takes no more memory. After the last number come the first ones again.
    private let number: UInt32

    /// The place behind this one.
    package var next: QueuePlace { QueuePlace(number: number == .max ? 1 : number + 1) }

    /// Whether a request stands in front of one with the other place, although it arrives later.
    package func precedes(_ other: QueuePlace) -> Bool {
        self != .last && other != .last && Int32(bitPattern: number &- other.number) < 0
    }
}

/// Gives out places, each behind all others.
package struct QueuePlaces: Sendable {
    private var upcoming = QueuePlace.first

    package init() {}

    package mutating func next() -> QueuePlace {
        defer { upcoming = upcoming.next }
        return upcoming
    }
}
