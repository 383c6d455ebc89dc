import LockCore
import Testing

@testable import PostgresLock

@Suite("Rings of waits")
struct WaitRingTests {
    private static func lock(_ key: Int64, of process: Int32, held: Bool, _ mode: Mode = .exclusive) -> SeenLock {
        SeenLock(key: AdvisoryKey(key), mode: mode, isHeld: held, session: SeenSession(processID: process, name: "worker"))
    }

    /// A task holds the key 1 and waits for the key 2.
    private static func ring(_ locks: [SeenLock]) -> WaitRing? {
        WaitRing(from: [AdvisoryKey(2)], to: [AdvisoryKey(1)], in: locks)
    }

    @Test("the steps are in the order of the waits")
    func order() {
        let ring = Self.ring([
            Self.lock(1, of: 4, held: false), Self.lock(4, of: 4, held: true), Self.lock(3, of: 3, held: true),
            Self.lock(4, of: 3, held: false), Self.lock(2, of: 2, held: true), Self.lock(3, of: 2, held: false),
        ])
        #expect(ring?.steps.map(\.holder.session.processID) == [2, 3, 4])
        #expect(ring?.steps.map(\.wanted) == [AdvisoryKey(3), AdvisoryKey(4), AdvisoryKey(1)])
    }

    @Test("a shared holder is in an exclusive wait's way, and in no shared wait's", arguments: [Mode.exclusive, .shared])
    func shared(mode: Mode) {
        let ring = Self.ring([
            Self.lock(2, of: 2, held: true), Self.lock(3, of: 2, held: false, mode), Self.lock(3, of: 3, held: true, .shared),
            Self.lock(1, of: 3, held: false),
        ])
        #expect((ring == nil) == (mode == .shared))
    }

    @Test("without a wait for what the task holds there is no ring")
    func noRing() {
        let ring = Self.ring([Self.lock(2, of: 2, held: true), Self.lock(3, of: 2, held: false), Self.lock(3, of: 3, held: true)])
        #expect(ring == nil)
    }
}
