/// When the server is asked which waits harm other sessions.
struct HarmLooks: Sendable {
    private enum State: Sendable {
        /// There is no wait to ask about.
        case off
        case planned(Instant)
        /// Goes out with the next round of a shared session.
        case due
        /// Until it is answered, or given up.
        case asked
    }

    /// A look costs about half a millisecond, so while an index build goes from one session to the next it is repeated soon.
    private static let pauseWhileBuilding = Duration.milliseconds(100)
    private static let longestHurry = Duration.seconds(30)
    private static let longestPause = Duration.seconds(5)
    private static let pauseAfterFailure = Duration.seconds(60)

    /// How long a wait lasts before the server is asked about it; `nil` for never.
    let interval: Duration?
    private var state = State.off
    /// Since when an index build waits for other sessions. It waits for one after the other.
    private var buildWaitsSince: Instant?

    init(interval: Duration?) { self.interval = interval }

    var plannedAt: Instant? { if case .planned(let at) = state { at } else { nil } }
    var isDue: Bool { if case .due = state { true } else { false } }

    /// A wait begins that can be renewed.
    mutating func noteWait(now: Instant) {
        guard let interval, case .off = state else { return }
        state = .planned(now.advanced(by: interval))
    }

    /// - Returns: Whether the pause between two looks has just come to its end.
    mutating func takePlanned(now: Instant) -> Bool {
        guard let plannedAt, plannedAt <= now else { return false }
        state = .due
        return true
    }

    mutating func noteAsked() { state = .asked }

    mutating func noteAnswered(isBuildWaiting: Bool, now: Instant) {
        buildWaitsSince = isBuildWaiting ? buildWaitsSince ?? now : nil
    }

    /// Plans the next look.
    ///
    /// - Parameters:
    ///   - oldest: Since when the oldest renewable wait lasts; `nil` if there is none.
    ///   - hasFailed: The server could not answer the last one.
    mutating func planNext(oldest: Instant?, hasFailed: Bool = false, using random: inout SplitMix64, now: Instant) {
        guard let interval, let oldest else {
            self = HarmLooks(interval: interval)
            return
        }
        let isHurried = buildWaitsSince.map { $0.duration(to: now) < Self.longestHurry } ?? false
        var pause = min(max(interval, oldest.duration(to: now) / 4), max(interval, Self.longestPause))
        // The looks of many processes must not come in step.
        pause = pause * Double.random(in: 1...1.25, using: &random)
        if isHurried { pause = min(pause, Self.pauseWhileBuilding) }
        if hasFailed { pause = Self.pauseAfterFailure }
        state = .planned(now.advanced(by: pause))
    }
}

extension Engine.Configuration {
    /// How many transactions may have been begun since the snapshot of a wait: what they have replaced can't be removed.
    ///
    /// A wait that is begun anew is at the end of the queue, so it goes on for longer each time: with a constant limit it would never
    /// reach the front of a queue that takes hours.
    func oldestSnapshot(afterWaiting age: Duration, renewals: Int) -> Int32 {
        let factor = 1 << min(renewals, mostDoublings)
        if age >= longestWait * factor { return 1 }
        return age >= longWait * factor ? Int32(clamping: Int(oldestSnapshot) * factor) : .max
    }
}
