import LibPQ
import Testing

@Suite("Whole units of a duration")
struct WholeUnitsTests {
    @Test("a duration in whole units is rounded up, and limited to 32 bits")
    func whole() {
        let longest = Duration.seconds(Int64.max) + .seconds(Int64.max)
        let cases: [(Duration, Int32)] = [
            (.zero, 0), (.nanoseconds(1), 1), (.milliseconds(1), 1), (.microseconds(1001), 2), (.milliseconds(Int64(Int32.max)), .max),
            (.milliseconds(Int64(Int32.max) - 1), .max - 1), (.milliseconds(Int64(Int32.max) + 1), .max), (longest, .max),
            (.zero - longest, 0), (.milliseconds(-1), 0), (.seconds(Int64.max), .max),
        ]
        for (duration, milliseconds) in cases { #expect(duration.whole(.milliseconds(1)) == milliseconds) }
        #expect(longest.whole(.nanoseconds(1)) == .max)
    }
}
