import Testing

@testable import LockCore

/// The parts of the engine's state that there are as many of as there are waiting requests.
@Suite("The memory of a request that waits")
struct WaitingMemoryTests {
    @Test("a request takes 32 bytes at most, with its links 48, and its call 40")
    func request() {
        #expect(MemoryLayout<LockTable.Request>.stride <= 32, "also with a place in the queue")
        #expect(MemoryLayout<LockTable.QueuedRequest>.stride <= 48)
        #expect(MemoryLayout<CallRegister.Call>.stride <= 40)
    }

    @Test("the entry of a key takes 160 bytes at most")
    func entry() {
        #expect(MemoryLayout<AdvisoryKey>.size <= 9, "what follows a key leaves no gap")
        #expect(MemoryLayout<LockTable.Entry>.stride <= 160)
    }
}
