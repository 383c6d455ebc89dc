/// Growing pauses with jitter, so that many processes that have lost the same server don't return in step.
package struct Backoff: Sendable {
    private let first: Duration
    private let most: Duration
    private var attempt = 0

    package init(first: Duration, most: Duration) {
        self.first = first
        self.most = most
    }

    /// Doubles with every call, up to the limit, then takes a random part between a half and the whole of it.
    package mutating func next(using random: inout SplitMix64) -> Duration {
        let pause = min(first * (1 << min(attempt, 20)), most)
        attempt += 1
        return pause * Double.random(in: 0.5...1, using: &random)
    }

    package mutating func reset() {
        attempt = 0
    }
}
