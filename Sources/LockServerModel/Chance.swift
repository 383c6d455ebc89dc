import LockCore

/// Everything that is left to chance in one run, from one seed.
package final class Chance {
    private var generator: SplitMix64

    package init(seed: UInt64) {
        generator = SplitMix64(seed: seed)
    }

    package func happens(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &generator) < probability
    }

    package func number(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &generator)
    }

    package func seed() -> UInt64 {
        generator.next()
    }

    package func one<Element>(of elements: [Element]) -> Element {
        elements[number(0...elements.count - 1)]
    }

    package func duration(_ range: ClosedRange<Duration>) -> Duration {
        .nanoseconds(
            Int64.random(in: range.lowerBound.clampedNanoseconds...range.upperBound.clampedNanoseconds, using: &generator)
        )
    }

    /// Mostly near the lower bound, now and then near the upper one.
    package func skewedDuration(_ range: ClosedRange<Duration>) -> Duration {
        let part = Double.random(in: 0..<1, using: &generator)
        return range.lowerBound + (range.upperBound - range.lowerBound) * (part * part * part * part)
    }
}
