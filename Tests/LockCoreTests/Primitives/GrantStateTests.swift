import LockCore
import Testing

@Suite("States of granted locks")
struct GrantStateTests {
    @Test("a lock in doubt is released once, and is lost from then on")
    func suspect() {
        var state = GrantState.held
        let isNews = state.end(.suspected)
        #expect(isNews)
        #expect(state.isToBeReleased)
        let isFirst = state.beginRelease()
        #expect(isFirst)
        #expect(state == .lost)
        let isSecond = state.beginRelease()
        #expect(!isSecond)
    }

    @Test("a lock that was lost or released is not released again")
    func over() {
        for end in [GrantState.End.lost, .released] {
            var state = GrantState.held
            _ = state.end(end)
            let isReleased = state.beginRelease()
            #expect(!isReleased)
        }
    }

    @Test("the end of a lock is news for its holder once, and a doubt that becomes a loss leaves nothing to release")
    func doubtThenLoss() {
        var state = GrantState.held
        _ = state.end(.suspected)
        let isNews = state.end(.lost)
        #expect(!isNews)
        #expect(!state.isToBeReleased)
    }

    @Test("a caller whose lock has come in doubt meanwhile does not get it, and the lock has to be released")
    func claim() {
        var (held, suspect, lost) = (GrantState.held, GrantState.suspect, GrantState.lost)
        let claims = [held.claim(), suspect.claim(), lost.claim()]
        #expect(claims == [.held, .lost(isToBeReleased: true), .lost(isToBeReleased: false)])
        #expect(suspect == .lost)
    }
}
