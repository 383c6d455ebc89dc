/// When the keys in the queue are tried again together.
///
/// The pause runs from the last answer to the next poll, so that a slow server is not asked faster than it answers. It doubles from poll to
/// poll, until a poll is granted something.
struct PollSchedule: Sendable {
    private enum State: Sendable {
        case off
        case planned(Instant)
        /// The pause is over, and no shared session has been free since.
        case due
        case asked(unanswered: Int)
    }

    private var state = State.off
    private var backoff = Backoff(first: .milliseconds(10), most: .milliseconds(250))

    var plannedAt: Instant? { if case .planned(let at) = state { at } else { nil } }
    var isDue: Bool { if case .due = state { true } else { false } }
    /// How many keys of the last poll are not answered yet.
    var unansweredCount: Int { if case .asked(let count) = state { count } else { 0 } }

    /// Plans the next poll, unless there is one that is planned, due or not answered to its last key.
    mutating func plan(using random: inout SplitMix64, now: Instant) {
        if case .off = state { state = .planned(now.advanced(by: backoff.next(using: &random))) }
    }

    /// - Returns: Whether the pause has just come to its end.
    mutating func takePlanned(now: Instant) -> Bool {
        guard let plannedAt, plannedAt <= now else { return false }
        state = .due
        return true
    }

    /// A poll that was due begins.
    mutating func ask(_ count: Int) {
        state = count > 0 ? .asked(unanswered: count) : .off
    }

    /// One key of the poll needs no answer any more.
    mutating func noteAnswered() {
        if case .asked(let count) = state { ask(count - 1) }
    }

    /// The next pause is the shortest again.
    mutating func noteGranted() { backoff.reset() }
}
