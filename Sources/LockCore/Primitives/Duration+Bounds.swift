// A duration can be longer than its own components can express, than 64 bits of nanoseconds hold, and than a task can sleep: each of
// these traps (Swift 6.3: `Duration.components`, `Task.sleep(for: .seconds(Int64.max))`). So a caller's duration is bounded before
// anything is computed from it.
extension Duration {
    /// Longer than any wait, and short enough for every clock, sum and sleep.
    package static let century = Duration.seconds(36_525 * 86_400)

    /// At most a century, in either direction.
    package var bounded: Duration { min(max(self, .zero - .century), .century) }

    /// Whole nanoseconds, clamped to what 64 bits hold (292 years).
    ///
    /// This is computed several times for each lock. A division of 128 bits is a call, while that of this form is one instruction.
    package var clampedNanoseconds: Int64 {
        let attoseconds = attoseconds
        let isNegative = attoseconds < 0
        let magnitude = attoseconds.magnitude
        let parts = (high: UInt64(truncatingIfNeeded: magnitude >> 64), low: UInt64(truncatingIfNeeded: magnitude))
        let divisor: UInt64 = 1_000_000_000
        guard parts.high < divisor, case let quotient = divisor.dividingFullWidth(parts).quotient, quotient <= Int64.max else {
            return isNegative ? .min : .max
        }
        return isNegative ? -Int64(quotient) : Int64(quotient)
    }
}
