import Testing

@testable import LockCore

@Suite("Requests of other sessions to release locks")
struct EngineReleaseRequestTests {
    /// Request 1 holds the key 1 on connection 1.
    private static func holding() -> EngineScript {
        var script = EngineScript { $0.releaseLookInterval = .seconds(1) }
        script.acquire(1)
        script.connected(1)
        #expect(script.answered(1, true) == [.resolve(1, .granted)])
        return script
    }

    /// The same, and the server was asked for requests.
    private static func asked() -> EngineScript {
        var script = holding()
        #expect(script.passToNextWake() == [.submit(1, .askRequests([1]))])
        return script
    }

    private static func answer(_ script: inout EngineScript, _ requests: [[Engine.ReleaseRequest]]) -> [Engine.Action] {
        script.on { $0.answered(1, .requests(requests), now: $1) }
    }

    @Test("while something is held the server is asked about once a second; not before, and not afterwards")
    func interval() {
        var script = Self.holding()
        let begin = script.now
        #expect(script.pass(.milliseconds(990)) == [])
        script.now = begin
        #expect(script.passToNextWake() == [.submit(1, .askRequests([1]))])
        #expect(begin.duration(to: script.now) <= .milliseconds(1_100))
        #expect(Self.answer(&script, [[]]) == [.noteRequests([])])
        #expect(script.passToNextWake() == [.submit(1, .askRequests([1]))])
        _ = Self.answer(&script, [[]])
        script.release(1)
        script.answered(1, true)
        #expect(script.pass(.seconds(2)) == [])
        #expect(script.pass(.seconds(2)) == [], "Nothing is held any more.")
    }

    @Test("a manager that is not to be asked asks nothing")
    func off() {
        var script = EngineScript()
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        #expect(script.pass(.seconds(5)) == [])
    }

    @Test("a request is addressed to those who hold the key on that session, and to no others")
    func addressed() {
        var script = Self.holding()
        script.acquire(2, .exclusive, 2)
        script.answered(1, true)
        script.acquire(3, .exclusive, 1)
        #expect(script.passToNextWake() == [.submit(1, .askRequests([1]))])
        let request = Engine.ReleaseRequest(key: 1, number: 7)
        let unknown = Engine.ReleaseRequest(key: 9, number: 8)
        #expect(
            Self.answer(&script, [[request, unknown]]) == [
                .noteRequests([
                    Engine.AddressedRequest(session: 1, request: request, holders: [1]),
                    Engine.AddressedRequest(session: 1, request: unknown, holders: []),
                ])
            ]
        )
    }

    @Test("all that share the lock are asked")
    func shared() {
        var script = EngineScript { $0.releaseLookInterval = .seconds(1) }
        script.acquire(1, .shared)
        script.connected(1)
        script.answered(1, true)
        script.acquire(2, .shared)
        script.passToNextWake()
        let request = Engine.ReleaseRequest(key: 1, number: 7)
        #expect(
            Self.answer(&script, [[request]]) == [
                .noteRequests([Engine.AddressedRequest(session: 1, request: request, holders: [1, 2])])
            ]
        )
    }

    @Test("an answer for another number of sessions than were asked about is none, and the server is asked again much later")
    func unexpected() {
        var script = Self.asked()
        #expect(Self.answer(&script, []) == [])
        #expect(script.engine.releaseLooks.plannedAt == script.now.advanced(by: .seconds(60)))
    }

    @Test("a server that refuses the question is asked again much later")
    func refused() {
        var script = Self.asked()
        script.on { $0.answered(1, .failed(Failure(.statement, "Permission denied.", sqlState: "42501")), now: $1) }
        #expect(script.engine.releaseLooks.plannedAt == script.now.advanced(by: .seconds(60)))
    }

    @Test("a question that the server refused because of another statement's error is asked again with the usual pause")
    func refusedForAnother() {
        var script = EngineScript {
            $0.releaseLookInterval = .seconds(1)
            $0.batchTransactionThreshold = 1
        }
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        #expect(script.passToNextWake() == [.submit(1, .begin), .submit(1, .askRequests([1]))])
        script.answered(1)
        let aborted = Failure(.transactionAborted, "Aborted.", sqlState: "25P02")
        #expect(script.on { $0.answered(1, .failed(aborted), now: $1) } == [.submit(1, .commit)])
        script.answered(1)
        let begin = script.now
        #expect(script.passToNextWake() == [.submit(1, .askRequests([1]))])
        #expect(begin.duration(to: script.now) <= .milliseconds(1_100))
    }

    @Test("no session is opened to ask when the session that held something was given back before the next look")
    func givenBack() {
        var script = EngineScript { $0.releaseLookInterval = .seconds(1) }
        script.on { $0.checkOut(1, now: $1) }
        script.connected(1)
        script.on { $0.giveBack(1, isClean: true, now: $1) }
        #expect(script.pass(.seconds(2)) == [])
    }

    @Test("sessions that have waited for their lock, and checked-out ones, are asked about over the shared session")
    func otherSessions() {
        var script = EngineScript { $0.releaseLookInterval = .seconds(1) }
        script.acquire(1)
        script.connected(1)
        script.answered(1, false)
        script.connected(2)
        #expect(script.answered(2, true) == [.resolve(1, .granted)])
        #expect(script.passToNextWake() == [.submit(1, .askRequests([2]))])
        _ = Self.answer(&script, [[]])
        script.on { $0.checkOut(2, now: $1) }
        script.connected(3)
        #expect(script.passToNextWake() == [.submit(1, .askRequests([2, 3]))])
    }

    @Test("where only checked-out sessions hold something, a shared session is opened to ask")
    func checkedOutOnly() {
        var script = EngineScript { $0.releaseLookInterval = .seconds(1) }
        script.on { $0.checkOut(1, now: $1) }
        script.connected(1)
        #expect(script.passToNextWake() == [.connect(2, .shared)])
        script.connected(2)
        #expect(script.passToNextWake() == [.submit(2, .askRequests([1]))])
    }

    @Test("a question that is lost with its session is asked again")
    func sessionLost() {
        var script = Self.asked()
        script.lost(1)
        script.acquire(2, .exclusive, 2)
        // There is a pause before the next attempt to connect.
        #expect(script.pass(.seconds(2)) == [.connect(2, .shared)])
        script.connected(2)
        script.answered(2, true)
        #expect(script.pass(.seconds(2)) == [.submit(2, .askRequests([2]))])
    }
}
