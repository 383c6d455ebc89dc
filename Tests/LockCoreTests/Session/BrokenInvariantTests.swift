import Testing

@testable import LockCore

@Suite("A session of which something is true that can't be")
struct BrokenInvariantTests {
    #if DEBUG
        @Test("is a trap in a build for debugging, at the end of the event and at the end of the turn", arguments: [true, false])
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

        @Test("is a trap in a build for debugging, too, if it is told of a wait that it does not have")
        func foreignWait() async {
            await #expect(processExitsWith: .failure) {
                var script = EngineScript.holding()
                script.engine.handle(now: script.now) { engine, _ in
                    engine.contention.answered(7, on: 1, isEnded: false)
                    engine.sessions.update(1) { _ in }
                }
            }
        }
    #else
        @Test("is ended in a service, with its locks lost, and what was wrong is logged")
        func ended() {
            var script = EngineScript.holding()
            script.engine.handle(now: script.now) { engine, _ in engine.sessions.update(1) { $0.noteHeld(-2) } }
            let actions = script.engine.takeActions()
            #expect(actions.contains(.log(.invariantBroken(1, "more was released than it held while it was shared"))))
            #expect(actions.contains(.close(1)))
            #expect(actions.contains { if case .lose(1, let failure) = $0 { failure.kind == .connectionLost } else { false } })
            #expect(script.connectionCount == 0)
        }

        @Test("is ended, too, if it is told of a wait that it does not have")
        func foreignWait() {
            var script = EngineScript.holding()
            script.engine.handle(now: script.now) { engine, _ in
                engine.contention.answered(7, on: 1, isEnded: false)
                engine.sessions.update(1) { _ in }
            }
            #expect(script.engine.takeActions().contains(.close(1)))
        }
    #endif
}
