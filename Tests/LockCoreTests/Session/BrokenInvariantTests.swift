import Testing

@testable import LockCore

@Suite("A session with a broken invariant")
struct BrokenInvariantTests {
    #if DEBUG
        @Test(
            "a broken invariant of a session traps in a debug build, at the end of the event and at the end of the turn",
            arguments: [true, false]
        )
        func trap(isEvent: Bool) async {
            if isEvent {
                await #expect(processExitsWith: .failure) {
                    var script = EngineScript.holding()
                    script.engine.handle(now: script.now) { engine, _ in engine.sessions.update(1) { $0.noteHeld(-2) } }
                }
            } else {
                await #expect(processExitsWith: .failure) {
                    var script = EngineScript.holding()
                    script.engine.sessions.update(1) { $0.noteHeld(-2) }
                    _ = script.engine.endTurn(now: script.now)
                }
            }
        }

        @Test("a broken invariant of a key traps in a debug build, at the end of the event")
        func key() async {
            await #expect(processExitsWith: .failure) {
                var script = EngineScript.holding()
                script.engine.handle(now: script.now) { engine, now in
                    guard let index = engine.table.entries.index(of: 1) else { return }
                    engine.table.entries[index].sessionHolders = -1
                    engine.table.advance(index, now: now)
                }
            }
        }

        @Test("an answer to a wait that a session does not have traps in a debug build")
        func foreignWait() async {
            await #expect(processExitsWith: .failure) {
                var script = EngineScript.holding()
                script.engine.handle(now: script.now) { engine, _ in
                    engine.contention.granted(7, on: 1)
                    engine.sessions.update(1) { _ in }
                }
            }
        }
    #else
        @Test("a session with a broken invariant is closed in a release build, its locks are lost, and the invariant is logged")
        func ended() {
            var script = EngineScript.holding()
            script.engine.handle(now: script.now) { engine, _ in engine.sessions.update(1) { $0.noteHeld(-2) } }
            let actions = script.engine.takeActions()
            #expect(actions.contains(.log(.invariantBroken(1, "more was released than it held while it was shared"))))
            #expect(actions.contains(.close(1)))
            #expect(actions.contains { if case .lose([1], let failure) = $0 { failure.kind == .connectionLost } else { false } })
            #expect(script.connectionCount == 0)
        }

        @Test("a key with a broken invariant is given up in a release build, and the invariant is logged")
        func key() {
            var script = EngineScript.holding()
            script.engine.handle(now: script.now) { engine, now in
                guard let index = engine.table.entries.index(of: 1) else { return }
                engine.table.entries[index].sessionHolders = -1
                engine.table.advance(index, now: now)
            }
            let actions = script.engine.takeActions()
            #expect(actions.contains { if case .log(.keyBroken(1, _)) = $0 { true } else { false } })
            #expect(actions.contains(.close(1)))
        }

        @Test("a session with an answer to a wait that it does not have is closed in a release build")
        func foreignWait() {
            var script = EngineScript.holding()
            script.engine.handle(now: script.now) { engine, _ in
                engine.contention.granted(7, on: 1)
                engine.sessions.update(1) { _ in }
            }
            #expect(script.engine.takeActions().contains(.close(1)))
        }
    #endif
}
