import LibPQ
import Testing

@testable import PostgresLock
@testable import PostgresLockTesting

@Suite("What connects managers with a server in memory")
struct InMemoryLinkTests {
    @Test("answers come in their order, also if the delay gets shorter while some are under way")
    func order() async {
        let timeline = InMemoryTimeline(isManual: true)
        let link = InMemoryLink(1, EventLoop(label: "test.link"), isSilent: false)
        let arrived = Locked<[Int]>([])
        timeline.run {
            link.pass({ arrived.withLock { $0.append(1) } }, after: .seconds(1), timeline)
            link.pass({ arrived.withLock { $0.append(2) } }, after: .zero, timeline)
            link.pass({ arrived.withLock { $0.append(3) } }, after: .seconds(2), timeline)
        }
        #expect(arrived.withLock(\.isEmpty))
        await timeline.advance(by: .seconds(2))
        #expect(arrived.withLock { $0 } == [1, 2, 3])
    }

    @Test("a manager that is cut off can't list the members of shared work; the others can, and so can it afterwards")
    func lister() async throws {
        let server = InMemoryLockServer()
        let (cut, other) = (try server.makeManager(), try server.makeManager())
        try await cut.withLock("a") { _ in }
        let keys = try ShareKeys("work", count: 4)
        server.stopAnswering(cut)
        #expect(await lockError { try await ShareLook.read(keys, by: cut) }?.code == .noAnswer)
        #expect(try await ShareLook.read(keys, by: other) == ShareLook())
        server.resumeAnswering(cut)
        #expect(try await ShareLook.read(keys, by: cut) == ShareLook())
    }

    @Test("the sessions of a manager that goes away while it is cut off end when messages pass again")
    func goneWhileCutOff() async throws {
        let server = InMemoryLockServer()
        do {
            let locks = try server.makeManager()
            try await locks.withLock("a") { #expect($0.isHeld) }
            server.stopAnswering(locks)
        }
        while server.timeline.run({ server.links(of: nil).contains { !$0.isGone } }) { await Task.yield() }
        #expect(server.sessionCount == 1)
        server.resumeAnswering()
        #expect(server.sessionCount == 0)
    }
}
