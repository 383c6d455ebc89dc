import LockCore
import Testing

@Suite("Pauses that grow")
struct BackoffTests {
    @Test("pauses double up to the limit, and are shortened by half at most")
    func doubles() {
        var random = SplitMix64(seed: 1)
        var backoff = Backoff(first: .milliseconds(50), most: .seconds(5))
        for attempt in 0..<200 {
            let whole = min(Duration.milliseconds(50) * (1 << min(attempt, 10)), .seconds(5))
            let pause = backoff.next(using: &random)
            #expect(pause >= whole / 2 && pause <= whole)
        }
        backoff.reset()
        #expect(backoff.next(using: &random) <= .milliseconds(50))
    }

    @Test("pauses repeat with the seed")
    func repeats() {
        func pauses(seed: UInt64) -> [Duration] {
            var random = SplitMix64(seed: seed)
            var backoff = Backoff(first: .milliseconds(10), most: .seconds(1))
            return (0..<20).map { _ in backoff.next(using: &random) }
        }
        #expect(pauses(seed: 3) == pauses(seed: 3))
        #expect(pauses(seed: 3) != pauses(seed: 4))
    }
}
