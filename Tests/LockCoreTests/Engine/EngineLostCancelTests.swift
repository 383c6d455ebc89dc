import LockCore
import Testing

@Suite("Cancel requests that are lost with the session that they were sent over")
struct EngineLostCancelTests {
    /// Connection 1 was to cancel the statement 20, which runs on the checked-out connection 2, and has not answered that.
    private static func cancelled() -> EngineScript {
        var script = EngineScript.holding()
        script.on { $0.checkOut(9, now: $1) }
        script.connected(2)
        script.on { $0.beginStatement(20, on: 2, now: $1) }
        #expect(script.cancel(20) == [.submit(1, .cancel(2, onlyLockWaits: false))])
        return script
    }

    @Test("a checked-out session whose cancel request may still be carried out is given up, since it could strike the next statement")
    func checkedOut() {
        var script = Self.cancelled()
        let actions = script.lost(1)
        #expect(actions.contains(.close(2)))
        #expect(actions.contains(.endAccess(2, .lost)))
        #expect(actions.failures == [20: .connectionLost])
    }

    @Test("a checked-out session whose cancel request was answered before is kept")
    func answered() {
        var script = Self.cancelled()
        script.answered(1, true)
        #expect(!script.lost(1).contains(.close(2)))
        #expect(script.on { $0.answered(2, .done, now: $1) } == [.resolve(20, .settled(cause: .cancelled))])
    }
}
