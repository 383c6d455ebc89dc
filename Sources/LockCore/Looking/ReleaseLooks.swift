/// When the server is asked whether other sessions ask for the release of locks that this process holds.
///
/// A look costs some 10 µs for each session that holds something, so it is repeated while there is one.
struct ReleaseLooks: Sendable {
    private enum State: Sendable {
        /// Nothing is held that could be asked for.
        case off
        case planned(Instant)
        /// Goes out with the next round of a shared session.
        case due
        /// Until it is answered, or given up.
        case asked
    }

    private static let pauseAfterFailure = Duration.seconds(60)

    /// The pause before a look; `nil` for none at all.
    let interval: Duration?
    private var state = State.off

    init(interval: Duration?) { self.interval = interval }

    var plannedAt: Instant? { if case .planned(let at) = state { at } else { nil } }
    var isDue: Bool { if case .due = state { true } else { false } }
    /// Whether a look would be planned if something was held.
    var isOff: Bool { if case .off = state { interval != nil } else { false } }

    /// - Returns: Whether the pause has just come to its end.
    mutating func takePlanned(now: Instant) -> Bool {
        guard let plannedAt, plannedAt <= now else { return false }
        state = .due
        return true
    }

    mutating func noteAsked() { state = .asked }

    /// Nothing is held any more.
    mutating func stop() { state = .off }

    /// Plans the next look.
    ///
    /// - Parameter hasFailed: The server could not answer the last one.
    mutating func plan(hasFailed: Bool = false, using random: inout SplitMix64, now: Instant) {
        guard let interval else { return }
        // The looks of many processes must not come in step.
        let pause = hasFailed ? Self.pauseAfterFailure : interval * Double.random(in: 1...1.1, using: &random)
        state = .planned(now.advanced(by: pause))
    }
}
