import LockCore
import Testing

@Suite("An instant")
struct InstantTests {
    @Test("an instant advances by a duration")
    func advances() {
        #expect(Instant(nanoseconds: 5).advanced(by: .microseconds(1)) == Instant(nanoseconds: 1005))
        #expect(Instant(nanoseconds: 5).advanced(by: .nanoseconds(-7)) == Instant(nanoseconds: -2))
        #expect(Instant(nanoseconds: 5).duration(to: Instant(nanoseconds: 3)) == .nanoseconds(-2))
    }

    @Test("an instant stops at the end of time, in either direction")
    func saturates() {
        #expect(Instant(nanoseconds: 5).advanced(by: .seconds(Int64.max)) == .distantFuture)
        #expect(Instant.distantFuture.advanced(by: .nanoseconds(1)) == .distantFuture)
        #expect(Instant(nanoseconds: -5).advanced(by: .seconds(Int64.min)) == Instant(nanoseconds: .min))
        #expect(Instant(nanoseconds: -5).duration(to: .distantFuture) == .nanoseconds(Int64.max))
        #expect(Instant(nanoseconds: 5).duration(to: Instant(nanoseconds: .min)) == .nanoseconds(Int64.min))
    }

    @Test("an instant counts a duration in whole nanoseconds, as far as 64 bits reach")
    func nanoseconds() {
        #expect(Duration.milliseconds(-1500).clampedNanoseconds == -1_500_000_000)
        #expect(Duration(secondsComponent: 0, attosecondsComponent: 1_999_999_999).clampedNanoseconds == 1)
        #expect(Duration.seconds(Int64.max).clampedNanoseconds == .max)
        #expect(Duration.seconds(Int64.min).clampedNanoseconds == .min)
    }
}
