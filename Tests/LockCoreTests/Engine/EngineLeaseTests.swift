import LockCore
import Testing

@Suite("Leases of checked-out sessions")
struct EngineLeaseTests {
    private static let lease = Duration.seconds(30)
    private static let statement: RequestID = 90

    /// A shared session and a checked-out session, both just connected.
    private static func checkedOut() -> EngineScript {
        var script = EngineScript { $0.lease = lease }
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        script.on { $0.checkOut(80, now: $1) }
        script.connected(2)
        return script
    }

    private static func begin(_ script: inout EngineScript) {
        script.on { $0.beginStatement(statement, on: 2, now: $1) }
    }

    /// Lets time pass; the shared session answers what it is asked.
    ///
    /// - Parameter activity: What it says of the checked-out session; `nil` leaves that unanswered.
    private static func pass(_ script: inout EngineScript, _ activity: Engine.BackendActivity?) -> [Engine.Action] {
        var actions = script.passToNextWake()
        if actions.contains(.submit(1, .heartbeat)) { actions += script.answered(1) }
        if let activity, actions.contains(.submit(1, .askActivity(2))) { actions += script.answeredActivity(activity) }
        return actions
    }

    /// Lets time pass until the server is asked about the checked-out session.
    private static func askActivity(_ script: inout EngineScript) {
        for _ in 0..<20 where pass(&script, nil).contains(.submit(1, .askActivity(2))) { return }
        Issue.record("The server is not asked about the statement.")
    }

    private static func isClosed(_ script: inout EngineScript, seeing activity: Engine.BackendActivity) -> Bool {
        for _ in 0..<40 where pass(&script, activity).contains(.close(2)) { return true }
        return false
    }

    private static func guards(_ script: inout EngineScript) -> Bool {
        var isGuarding = false
        script.on { isGuarding = $0.guardCheckedOut(2, now: $1) }
        return isGuarding
    }

    @Test("a lock is certain once the session has answered something, and not long after")
    func certainty() {
        var script = Self.checkedOut()
        #expect(!Self.guards(&script))
        Self.begin(&script)
        script.on { $0.answered(2, .done, now: $1) }
        #expect(Self.guards(&script))
        var late = Self.checkedOut()
        Self.begin(&late)
        Self.askActivity(&late)
        late.answeredActivity(.hidden)
        late.pass(.seconds(10))
        late.on { $0.answered(2, .done, now: $1) }
        #expect(!Self.guards(&late), "the answer is to what was sent long ago")
    }

    @Test("a statement that is seen to run keeps the locks; one that can't send does not; one that is hidden does not, and is reported")
    func longStatement() {
        for activity in [Engine.BackendActivity.active(isHeard: true), .active(isHeard: false), .hidden] {
            var script = Self.checkedOut()
            Self.begin(&script)
            script.on { $0.answered(2, .done, now: $1) }
            #expect(Self.guards(&script))
            Self.begin(&script)
            #expect(Self.isClosed(&script, seeing: activity) == (activity != .active(isHeard: true)), "\(activity)")
        }
    }

    @Test("a session without locks is not closed because the server hides what it does")
    func nothingLocked() {
        var script = Self.checkedOut()
        Self.begin(&script)
        #expect(!Self.isClosed(&script, seeing: .hidden))
    }

    @Test("a statement that the server has answered, or does not know, is given up if no answer comes")
    func swallowed() {
        var script = Self.checkedOut()
        Self.begin(&script)
        Self.askActivity(&script)
        script.answeredActivity(.quiet)
        Self.askActivity(&script)
        script.answeredActivity(.active(isHeard: false))
        for _ in 0..<10 {
            #expect(!Self.pass(&script, .active(isHeard: false)).contains(.close(2)), "it was slow to arrive")
        }
        #expect(Self.isClosed(&script, seeing: .quiet))
    }

    @Test("a statement behind an unanswered heartbeat is asked about too")
    func behindHeartbeat() {
        var script = Self.checkedOut()
        script.on { $0.giveBack(2, isClean: true, now: $1) }
        while !Self.pass(&script, nil).contains(.submit(2, .heartbeat)) {}
        #expect(script.on { $0.checkOut(81, now: $1) } == [.resolve(81, .checkedOut(2))])
        Self.begin(&script)
        #expect(Self.isClosed(&script, seeing: .quiet))
    }

    @Test("the release of a lock whose session is in doubt by the clock fails at once, also before the timer has told of it")
    func releaseInDoubt() {
        var script = EngineScript { $0.lease = Self.lease }
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        script.acquire(2, .exclusive, 2)
        script.answered(1, true)
        script.now = script.now.advanced(by: .seconds(28))
        let actions = script.release(1)
        #expect(actions.contains(.resolve(1, .failed(.suspect))), "\(actions)")
        #expect(actions.contains(.suspect(1, [2], Failure.suspect)), "The other lock on the session is in doubt as well.")
    }

    @Test("releases that wait for a session in doubt fail in the order of their requests")
    func releasesInDoubt() {
        var script = EngineScript { $0.lease = Self.lease }
        let requests = (1...20).map { RequestID($0) }
        for (request, key) in zip(requests, 1...) { script.acquire(request, .exclusive, AdvisoryKey(Int64(key))) }
        script.connected(1)
        script.answered(1, rows: requests.map { _ in true })
        for request in requests { script.release(request) }
        var failed: [RequestID] = []
        for case .resolve(let id, .failed) in script.pass(.seconds(28)) { failed.append(id) }
        #expect(failed == requests)
    }

    @Test("what was in doubt by the clock does not become certain by a late answer")
    func noReturn() {
        var script = EngineScript { $0.lease = Self.lease }
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        // The process stands still; when it wakes up, the socket is ahead of the timer.
        script.acquire(2, .exclusive, 2)
        script.now = script.now.advanced(by: .seconds(28))
        let actions = script.answered(1, true)
        #expect(actions.contains(.suspect(1, [1], Failure.suspect)), "\(actions)")
    }
}
