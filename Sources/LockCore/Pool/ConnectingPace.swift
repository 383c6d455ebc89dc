/// When the next attempt to connect may be made, and how long callers without a deadline wait while there is no connection.
///
/// The pauses between attempts grow by a backoff with jitter. While calls wait, they are a second at most, and shorter if a caller's
/// deadline would come before the next attempt.
struct ConnectingPace: Sendable {
    /// The pause at most, while no call waits.
    private static let idlePause = Duration.seconds(5)
    /// Bounds the attempts if calls have very short deadlines.
    private static let shortestPause = Duration.milliseconds(100)

    /// How long a caller without a deadline waits from the beginning of an outage on.
    private let timeout: Duration
    private var backoff = Backoff(first: .milliseconds(50), most: idlePause)
    private var nextAttemptAt: Instant?
    private var lastFailureAt = Instant(nanoseconds: .min)
    /// Since when a connection is wanted and there is none, and why.
    private var outage: (since: Instant, failure: Failure?)?
    /// When the next caller without a deadline gives up.
    private var giveUpAt: Instant?

    init(timeout: Duration) {
        self.timeout = timeout
    }

    // MARK: Looking in

    /// Whether the pause between two attempts is over.
    func mayAttempt(at now: Instant) -> Bool { nextAttemptAt.map { $0 <= now } ?? true }

    /// Whether a connection is wanted and there is none.
    var isOutage: Bool { outage != nil }

    /// Why the last attempt of the outage has failed, if one has.
    var failure: Failure? { outage?.failure }

    /// When something is due: the next attempt, or a caller without a deadline gives up.
    var next: Instant? {
        guard let nextAttemptAt, let giveUpAt else { return nextAttemptAt ?? giveUpAt }
        return min(nextAttemptAt, giveUpAt)
    }

    // MARK: Attempts

    mutating func noteAttempt(now: Instant) {
        if outage == nil { outage = (now, nil) }
    }

    mutating func noteConnected() {
        backoff.reset()
        nextAttemptAt = nil
        outage = nil
        giveUpAt = nil
    }

    /// - Parameter isWaitedFor: Whether any call waits for anything.
    /// - Returns: The pause until the next attempt.
    mutating func noteFailed(_ failure: Failure, isWaitedFor: Bool, using random: inout SplitMix64, now: Instant) -> Duration {
        let most = isWaitedFor ? Self.longestPause(using: &random) : Self.idlePause
        let pause = min(backoff.next(using: &random), most)
        lastFailureAt = now
        nextAttemptAt = now.advanced(by: pause)
        outage = (outage?.since ?? now, failure)
        return pause
    }

    /// A connection was lost. Connections that were lost together must not return in step.
    mutating func noteLost(using random: inout SplitMix64, now: Instant) {
        if nextAttemptAt == nil { nextAttemptAt = now.advanced(by: backoff.next(using: &random)) }
    }

    /// - Returns: Whether the pause between two attempts has just come to its end.
    mutating func takeAttempt(now: Instant) -> Bool {
        guard let at = nextAttemptAt, at <= now else { return false }
        nextAttemptAt = nil
        return true
    }

    /// A call begins in the pause before the next attempt, which is moved forward so that it comes in time for the call.
    mutating func hurry(deadline: Instant?, using random: inout SplitMix64, now: Instant) {
        guard let planned = nextAttemptAt, planned > now else { return }
        let end = deadline ?? now.advanced(by: timeout)
        let wanted = now.advanced(by: min(now.duration(to: end) / 2, Self.longestPause(using: &random)))
        let next = max(wanted, lastFailureAt.advanced(by: Self.shortestPause))
        if next < planned { nextAttemptAt = next }
    }

    /// While calls wait.
    private static func longestPause(using random: inout SplitMix64) -> Duration {
        .seconds(1) * Double.random(in: 0.5...1, using: &random)
    }

    // MARK: Giving up

    /// A caller without a deadline has begun to wait. If an attempt has failed already, the time at which it gives up is due from now on.
    mutating func noteCaller(since: Instant) {
        guard let outage, outage.failure != nil else { return }
        noteGivingUp(endingAt: max(since, outage.since).advanced(by: timeout))
    }

    /// Begins to look for callers that give up. ``mayGoOn(since:now:)`` for each caller finds the next time.
    ///
    /// - Returns: Why they give up; `nil` if no attempt has failed.
    mutating func beginGivingUp() -> Failure? {
        giveUpAt = nil
        return outage?.failure
    }

    /// Whether a caller without a deadline goes on waiting. If so, the time at which it gives up is due.
    mutating func mayGoOn(since: Instant, now: Instant) -> Bool {
        guard let outage else { return true }
        let end = max(since, outage.since).advanced(by: timeout)
        guard end > now else { return false }
        noteGivingUp(endingAt: end)
        return true
    }

    func isGivingUpDue(at now: Instant) -> Bool { giveUpAt.map { $0 <= now } ?? false }

    private mutating func noteGivingUp(endingAt end: Instant) {
        giveUpAt = min(giveUpAt ?? .distantFuture, end)
    }
}
