import Testing

@testable import LibPQ

@Suite("Whether a thread runs an event loop")
struct LoopOccupancyTests {
    /// In a class, since the macros of tests copy what they look at.
    private final class Loop: Sendable {
        private let occupancy = LoopOccupancy()

        func enter() -> Bool { occupancy.enter() }
        func leave() -> Bool { occupancy.leave() }
        func noteWork() -> LoopOccupancy.Duty { occupancy.noteWork() }
        func noteRest() { occupancy.noteRest() }
        func beginPoll() -> Bool { occupancy.beginPoll() }
        func endPoll() { occupancy.endPoll() }
    }

    private let loop = Loop()

    @Test("a loop has one thread at a time, and is free once that leaves it")
    func exclusive() {
        #expect(loop.enter())
        #expect(!loop.enter())
        #expect(loop.leave())
        #expect(loop.enter())
    }

    @Test("a thread that runs the loop can't leave it while there is work that it has not seen")
    func noted() {
        _ = loop.enter()
        #expect(loop.noteWork() == .none)
        #expect(loop.noteWork() == .none)
        #expect(!loop.leave())
        // The work is taken now, all at once.
        #expect(loop.leave())
    }

    @Test("work that is left for a free loop is the matter of the thread that has left it")
    func free() {
        #expect(loop.noteWork() == .run)
        #expect(!loop.enter())
        #expect(loop.noteWork() == .none)
        #expect(!loop.leave())
        #expect(loop.leave())
    }

    @Test("a thread that polls is woken once")
    func polling() {
        _ = loop.enter()
        #expect(loop.beginPoll())
        #expect(!loop.enter())
        #expect(loop.noteWork() == .wake)
        #expect(loop.noteWork() == .none)
        loop.endPoll()
        #expect(!loop.leave())
    }

    @Test("a thread does not begin to poll while there is work, and needs no waking after its poll")
    func workBeforePoll() {
        _ = loop.enter()
        _ = loop.noteWork()
        #expect(!loop.beginPoll())
        #expect(!loop.leave())
        #expect(loop.beginPoll())
        loop.endPoll()
        #expect(loop.noteWork() == .none)
    }

    @Test("work that was not taken keeps the loop busy")
    func rest() {
        _ = loop.enter()
        loop.noteRest()
        #expect(!loop.leave())
    }
}
