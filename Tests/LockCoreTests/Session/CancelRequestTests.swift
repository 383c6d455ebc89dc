import Testing

@testable import LockCore

@Suite("Cancel requests")
struct CancelRequestTests {
    private static func sent(_ rounds: Int = 1, now: Duration = .zero) -> CancelRequest {
        var request = CancelRequest.request()
        for _ in 0..<rounds {
            request.noteSent()
            request.answered(.notFound, now: now.instant)
        }
        return request
    }

    @Test("a cancel request is settled when the statement and all the requests are answered, in whatever order")
    func settled() {
        for isStatementFirst in [true, false] {
            var request = CancelRequest.request()
            request.noteSent()
            #expect(!request.isSettled)
            if isStatementFirst { request.noteStatementAnswered() } else { request.answered(.notFound, now: ServerSession.start) }
            #expect(!request.isSettled)
            if isStatementFirst { request.answered(.notFound, now: ServerSession.start) } else { request.noteStatementAnswered() }
            #expect(request.isSettled)
        }
    }

    @Test("a request that had no effect is repeated after a pause that is doubled up to a tenth of a second")
    func pauses() {
        var request = CancelRequest.request()
        var pauses: [Duration] = []
        for _ in 1...9 {
            request.noteSent()
            #expect(request.nextAt == nil, "not while it is under way")
            request.answered(.notFound, now: ServerSession.start)
            if let next = request.nextAt { pauses.append(ServerSession.start.duration(to: next)) }
        }
        #expect(pauses == [2, 4, 8, 16, 32, 64, 100, 100, 100].map { .milliseconds($0) })
    }

    @Test("a signalled session has half a second to end what it runs before the cancel request is repeated")
    func found() {
        var request = CancelRequest.request()
        request.noteSent()
        request.answered(.found, now: ServerSession.start)
        #expect(request.nextAt == ServerSession.start.advanced(by: .milliseconds(500)))
        #expect(request.mayGoOverSharedSession)
    }

    @Test("a cancel request that went out of band is not repeated at once")
    func blind() {
        var request = CancelRequest.request()
        request.noteSent()
        request.answered(.unknown, now: ServerSession.start)
        #expect(request.nextAt == ServerSession.start.advanced(by: .milliseconds(100)))
    }

    @Test("nothing is repeated once the statement is answered, whichever answer comes first")
    func notRepeated() {
        var request = Self.sent()
        #expect(request.nextAt != nil)
        request.noteStatementAnswered()
        #expect(request.nextAt == nil)
        var other = CancelRequest.request()
        other.noteSent()
        other.noteStatementAnswered()
        other.answered(.notFound, now: ServerSession.start)
        #expect(other.nextAt == nil)
        #expect(other.isSettled)
    }

    @Test("after twelve requests without an effect, or one that was refused, the shared session is not asked any more")
    func otherWay() {
        #expect(CancelRequest.request().mayGoOverSharedSession)
        #expect(Self.sent(11).mayGoOverSharedSession)
        #expect(!Self.sent(12).mayGoOverSharedSession)
        var refused = CancelRequest.request()
        refused.noteSent()
        refused.answered(.refused, now: ServerSession.start)
        #expect(!refused.mayGoOverSharedSession)
        #expect(refused.nextAt != nil, "it is repeated, by other means")
    }

    @Test("a wait that is ended to begin anew does not begin anew if there is another reason to end it, whose time counts if it is earlier")
    func superseded() {
        for (time, expected) in [(Duration.seconds(5), Duration.seconds(5)), (.seconds(50), .seconds(30))] {
            var request = CancelRequest.request(.renewed)
            request.supersede(.request(.cancelled, giveUpAt: time))
            #expect(request.cause == .cancelled)
            #expect(request.giveUpAt == expected.instant)
        }
        for first in [.cancelled, .timedOut(nil), nil] as [Engine.EndCause?] {
            var request = CancelRequest.request(first)
            request.supersede(.request(.renewed, giveUpAt: .seconds(1)))
            #expect(request.cause == first)
            #expect(request.giveUpAt == Duration.seconds(30).instant)
        }
    }
}
