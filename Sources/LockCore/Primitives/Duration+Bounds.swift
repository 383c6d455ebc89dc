// A duration can be longer than its own components can express, than 64 bits of nanoseconds hold, and than a task can sleep: each of
// these traps (Swift 6.3: `Duration.components`, `Task.sleep(for: .seconds(Int64.max))`). So a caller's duration is bounded before
// anything is computed from it.
extension Duration {
    /// Longer than any wait, and short enough for every clock, sum and sleep.
    package static let century = Duration.seconds(36_525 * 86_400)

    /// At most a century, in either direction.
    package var bounded: Duration { min(max(self, .zero - .century), .century) }

    /// Whole nanoseconds, clamped to what 64 bits hold (292 years).
    package var clampedNanoseconds: Int64 {
        if self >= .nanoseconds(Int64.max) { return .max }
        if self <= .nanoseconds(Int64.min) { return .min }
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
