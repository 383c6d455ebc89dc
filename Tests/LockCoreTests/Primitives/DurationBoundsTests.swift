import LockCore
import Testing

@Suite("Durations of any length")
struct DurationBoundsTests {
    /// Also such as have no components.
    static let extremes: [Duration] = {
        let longest = Duration.seconds(Int64.max) + .seconds(Int64.max)
        return [
            longest, .zero - longest, .seconds(Int64.max), .seconds(Int64.min), .nanoseconds(Int64.max), .nanoseconds(Int64.min), .zero,
            .nanoseconds(1), .nanoseconds(-1), Duration(secondsComponent: 0, attosecondsComponent: 1), .seconds(86_400),
        ]
    }()

    @Test("durations of any length become nanoseconds that are clamped", arguments: extremes)
    func nanoseconds(duration: Duration) {
        let nanoseconds = duration.clampedNanoseconds
        if duration > .nanoseconds(Int64.max) { #expect(nanoseconds == .max) }
        if duration < .nanoseconds(Int64.min) { #expect(nanoseconds == .min) }
        #expect(abs(duration.bounded - .nanoseconds(duration.bounded.clampedNanoseconds)) < .nanoseconds(1))
    }

    @Test("durations of any length lead from one instant to another without overflow", arguments: extremes)
    func instants(duration: Duration) {
        for nanoseconds: Int64 in [-1, 0, 1, .max] {
            let end = Instant(nanoseconds: nanoseconds).advanced(by: duration)
            #expect((end.nanoseconds >= nanoseconds) == (duration > -.nanoseconds(1)))
        }
    }

    @Test("durations of any length are bounded so that sums of them have components", arguments: extremes, extremes)
    func bounded(one: Duration, other: Duration) {
        let sum = one.bounded * 3 + other.bounded
        #expect(sum.components.seconds.magnitude <= 4 * 36_525 * 86_400)
        #expect((one <= other) == (one.bounded <= other.bounded) || one.bounded == other.bounded)
    }

    private func abs(_ duration: Duration) -> Duration { max(duration, .zero - duration) }
}

extension Duration {
    fileprivate static prefix func - (duration: Duration) -> Duration { .zero - duration }
}
