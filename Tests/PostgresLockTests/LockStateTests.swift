import LockCore
import Testing

@testable import PostgresLock

@Suite("What has become of a lock")
struct LockStateTests {
    @Test("code that learns of one of several losses in the moment in which they come finds all of them")
    func lostTogether() async {
        let error = LockError(.lockLost, "The session is gone.")
        for _ in 0..<20 {
            let states = (0..<2000).map { LockState(key: LockKey(number: $0), mode: .exclusive) }
            async let stillHeld = Self.stillHeld(of: states)
            await Task.yield()
            #expect(LockState.end(states.map { ($0, error) }) == states.count)
            #expect(await stillHeld == 0)
        }
    }

    /// How many locks are held when the loss of the first one is known.
    private static func stillHeld(of states: [LockState]) async -> Int {
        while states[0].loss == nil { await Task.yield() }
        return states.count(where: \.isHeld)
    }
}
