import LockCore
import Testing

@Suite("A session whose locks are not known")
struct EngineUncertainHoldTests {
    @Test("a session is closed when an unlock has failed, whether it is shared or has waited for the lock", arguments: [true, false])
    func failedUnlock(isShared: Bool) {
        var script = isShared ? EngineScript.holding() : .waiting()
        let session: ConnectionID = isShared ? 1 : 2
        if !isShared { script.answered(2, true) }
        #expect(script.release(1) == [.submit(session, .unlock(1))])
        let actions = script.answered(session, failure: .cancelledByServer)
        #expect(actions.contains(.close(session)))
        #expect(actions.failures == [1: .cancelled])
    }

    @Test("a session is closed when the release of all its locks after a failed wait fails")
    func failedReleaseOfAll() {
        let outOfMemory = Failure(.statement, "Out of memory.", sqlState: "53200")
        for answer in [Engine.Answer.failed(outOfMemory), .failed(.unexpectedAnswer), .lockCount(1)] {
            var script = EngineScript.waiting()
            #expect(script.answered(2, failure: .cancelledByServer) == [.submit(2, .releaseAll)])
            #expect(script.on { $0.answered(2, answer, now: $1) }.contains(.close(2)), "\(answer)")
        }
    }
}
