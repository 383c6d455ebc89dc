/// The tasks of one process that wait for a permit of a semaphore.
///
/// Each of them asks for the turnstile, an exclusive lock. The task that has it, the head, asks for any of the permits. A process that stands still
/// as the head keeps the turnstile until its lease ends, and meanwhile permits would stay unused. So one task of each process, the first of those
/// that wait for the turnstile, searches for unused permits from time to time. It does not where the head is of the same process: that asks already.
package struct PermitWaiters: Sendable {
    /// A task's place among those of its process, from its call on. Whether it has to wait turns out later.
    package struct Ticket: Hashable, Sendable {
        /// That of its request for the turnstile.
        package let place: QueuePlace

        package init(_ place: QueuePlace) { self.place = place }
    }

    /// How often the head asks for the permits.
    package static let pollPause = Duration.milliseconds(4)

    /// Those that wait for the turnstile, in the order of their places.
    private var waiting: [Ticket] = []
    /// More than one only for a moment, after the turnstile was lost.
    private var headCount = 0

    package init() {}

    package var isEmpty: Bool { waiting.isEmpty && headCount == 0 }

    /// The tasks that wait for a permit.
    package var count: Int { waiting.count + headCount }

    /// The task has to wait.
    package mutating func beginWait(_ ticket: Ticket) {
        let later = waiting.reversed().prefix { ticket.place.precedes($0.place) }.count
        waiting.insert(ticket, at: waiting.count - later)
    }

    /// The task has a permit, or waits for one no more.
    package mutating func end(_ ticket: Ticket) { waiting.removeAll { $0 == ticket } }

    /// The task has the turnstile.
    package mutating func beginHead(_ ticket: Ticket) {
        waiting.removeAll { $0 == ticket }
        headCount += 1
    }

    /// The task gives the turnstile back.
    package mutating func endHead() { headCount -= 1 }

    package func maySearch(_ ticket: Ticket) -> Bool { headCount == 0 && waiting.first == ticket }
}
