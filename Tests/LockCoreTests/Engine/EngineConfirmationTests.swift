import LockCore
import Testing

@Suite("Confirmation of fencing tokens")
struct EngineConfirmationTests {
    private static let position = WALPosition(timeline: 1, location: 100)

    @Test("a token is given out when the lock's session has answered something that it was sent after the record was there, and not before")
    func confirmation() {
        var script = EngineScript { $0.isFencing = true }
        script.acquire(1)
        script.connected(1)
        #expect(script.answered(1, true).connecting == 2)
        #expect(script.connected(2) == [.submit(2, .position)])
        // It is sent before the record is there, and answered after that.
        #expect(script.acquire(2, .exclusive, 2) == [.submit(1, .tryLock(2))])
        #expect(script.on { $0.answered(2, .position(Self.position), now: $1) } == [])
        let early = script.answered(1, false)
        #expect(!early.contains(.resolve(1, .granted)), "The session may have died before the record was written.")
        #expect(early.contains(.submit(1, .heartbeat)))
        #expect(script.answered(1).prefix(2) == [.giveToken(1, Self.position, index: 0), .resolve(1, .granted)])
    }
}
