import LockCore
import LockServerModel

/// A machine's own clock: it began to count at some time, and runs somewhat too fast or too slow.
struct SimulatedClock {
    /// Two clocks may differ by twice as much, which is less than the margin of a lease.
    private static let drift = 0.04

    private let start: Int64
    private let rate: Double

    init(_ chance: Chance) {
        start = Int64(chance.number(0...1_000_000_000_000))
        rate = 1 + Self.drift * chance.one(of: [-1, -0.1, 0, 0.1, 1])
    }

    /// What it shows.
    func time(at instant: Instant) -> Instant {
        Instant(nanoseconds: start + Int64(Double(instant.nanoseconds) * rate))
    }

    /// When it shows that time, or a moment later.
    func instant(of time: Instant) -> Instant {
        guard time > Instant(nanoseconds: start) else { return Instant(nanoseconds: 0) }
        return Instant(nanoseconds: Int64(Double(time.nanoseconds - start) / rate) + 2)
    }

    /// How long it takes for so much time to pass by this clock, or a moment longer.
    func duration(of time: Duration) -> Duration {
        time / rate + .nanoseconds(2)
    }
}
