/// The tasks of one process that wait for a permit of a semaphore.
///
/// Each of them asks for the turnstile, an exclusive lock. The task that has it, the head, asks for any of the permits. A process that stands still
/// as the head keeps the turnstile until its lease ends, and meanwhile permits would stay unused. So one task of each process, the first of those
/// that wait for the turnstile, searches for unused permits from time to time. It does not where the head is of the same process: that asks already.
package struct PermitWaiters: Sendable {
    package struct Ticket: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    /// How often the head asks for the permits.
    package static let pollPause = Duration.milliseconds(4)

    /// Those that wait for the turnstile, in the order in which they came.
    private var waiting: [Ticket] = []
    private var lastNumber: UInt64 = 0
    /// More than one only for a moment, after the turnstile was lost.
    private var headCount = 0

    package init() {}

    package var isEmpty: Bool { waiting.isEmpty && headCount == 0 }

    package mutating func begin() -> Ticket {
        lastNumber += 1
        let ticket = Ticket(number: lastNumber)
        waiting.append(ticket)
        return ticket
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
