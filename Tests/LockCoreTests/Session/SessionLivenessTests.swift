import Testing

@testable import LockCore

@Suite("The liveness of a session")
struct SessionLivenessTests {
    private static func at(_ seconds: Int) -> Instant { Duration.seconds(seconds).instant }

    @Test("a session is silent since the first thing that it has not answered, whatever it is sent behind that")
    func silence() {
        var liveness = SessionLiveness()
        liveness.noteSent(Self.at(1))
        #expect(liveness.silentSince == nil, "it owes nothing")
        liveness.noteSent(Self.at(2), owes: true)
        liveness.noteSent(Self.at(3), owes: true)
        #expect(liveness.silentSince == Self.at(2))
        #expect(liveness.lastSent == Self.at(3))
        liveness.noteHeard(owingSince: Self.at(4))
        #expect(liveness.silentSince == Self.at(4), "the answer shows that it was not silent so far")
        liveness.noteHeard(owingSince: nil)
        #expect(liveness.silentSince == nil)
    }

    @Test("an answer ends all doubts but that about its locks")
    func heard() {
        var liveness = SessionLiveness()
        _ = liveness.renew(answerTo: Self.at(1), validFor: .zero)
        liveness.noteOverdue()
        liveness.noteAsked(Self.at(1))
        liveness.noteAnswerMissed(Self.at(1))
        liveness.noteSuspect()
        liveness.noteHeard(owingSince: nil)
        #expect(!liveness.isOverdue)
        #expect(liveness.askedSince == nil)
        #expect(liveness.answerMissedSince == nil)
        #expect(liveness.isSuspect)
    }

    @Test("the server is asked about a session since the first question that has no answer, and each question counts as sent")
    func asked() {
        var liveness = SessionLiveness()
        liveness.noteAsked(Self.at(1))
        liveness.noteAsked(Self.at(2))
        #expect(liveness.askedSince == Self.at(1))
        #expect(liveness.lastSent == Self.at(2))
        liveness.forgetAsked()
        #expect(liveness.askedSince == nil)
    }

    @Test("an answer is missed since the server first said so, until it says that the statement runs, or another one begins")
    func missed() {
        for isSeen in [true, false] {
            var liveness = SessionLiveness()
            liveness.noteAsked(Self.at(1))
            liveness.noteAnswerMissed(Self.at(1))
            liveness.noteAnswerMissed(Self.at(2))
            #expect(liveness.answerMissedSince == Self.at(1))
            if isSeen { liveness.noteActive() } else { liveness.noteStatement() }
            #expect(liveness.answerMissedSince == nil)
            #expect((liveness.askedSince == nil) == !isSeen)
        }
    }

    @Test("a session certainly lives until the latest time that its answers show, and a later one ends the doubt")
    func renewed() {
        var liveness = SessionLiveness()
        #expect(liveness.validUntil == nil)
        let first = liveness.renew(answerTo: Self.at(5), validFor: .zero)
        #expect(first == Self.at(5))
        liveness.noteSuspect()
        for time in [3, 5] {
            let later = liveness.renew(answerTo: Self.at(time), validFor: .zero)
            #expect(later == nil)
        }
        #expect(liveness.validUntil == Self.at(5))
        #expect(liveness.isSuspect)
        let later = liveness.renew(answerTo: Self.at(6), validFor: .zero)
        #expect(later == Self.at(6))
        #expect(!liveness.isSuspect)
    }

    @Test("an answer shows that the session lives for nine tenths of the lease, counted from its question")
    func margin() {
        var liveness = SessionLiveness()
        let until = liveness.renew(answerTo: Self.at(5), validFor: .seconds(9))
        #expect(until == Self.at(14))
    }
}
