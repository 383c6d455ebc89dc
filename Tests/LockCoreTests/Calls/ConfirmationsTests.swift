import Testing

@testable import LockCore

@Suite("Grants that are not given out yet")
struct ConfirmationsTests {
    private static func grant(_ holder: RequestID, on session: ConnectionID = 1, key: AdvisoryKey? = nil) -> Confirmations.Grant {
        Confirmations.Grant(session: session, holder: holder, key: key)
    }

    @Test("a grant that is given out needs no release, and one whose call has ended otherwise is released once")
    func unclaimed() {
        var confirmations = Confirmations()
        confirmations.insert(1, Self.grant(1))
        confirmations.insert(2, Self.grant(2))
        #expect(confirmations.take(1)?.holder == 1)
        #expect(confirmations.take(1) == nil && !confirmations.contains(1))
        #expect(!confirmations.isAnyUnclaimed)
        #expect(confirmations.takeEnded(2)?.holder == 2)
        #expect(confirmations.takeEnded(3) == nil)
        #expect(confirmations.isAnyUnclaimed && confirmations.isEmpty)
        #expect(confirmations.takeUnclaimed() == [2])
        #expect(confirmations.takeUnclaimed() == [] && !confirmations.isAnyUnclaimed)
    }

    @Test("a call that wanted a further token leaves the lock to its holder")
    func furtherToken() {
        var confirmations = Confirmations()
        confirmations.insert(5, Self.grant(1, key: 7))
        #expect(confirmations.takeEnded(5)?.holder == 1)
        #expect(!confirmations.isAnyUnclaimed)
    }

    @Test("grants are found by session and by key, in the order of their calls")
    func order() {
        var confirmations = Confirmations()
        confirmations.insert(4, Self.grant(4, on: 1, key: 7))
        confirmations.insert(2, Self.grant(2, on: 1))
        confirmations.insert(3, Self.grant(9, on: 1, key: 8))
        confirmations.insert(1, Self.grant(1, on: 2, key: 7))
        #expect(confirmations.waiting(on: 1).map(\.call) == [2, 3, 4])
        #expect(confirmations.waiting(on: 3).isEmpty)
        #expect(confirmations.calls(waitingFor: [7]) == [1, 4])
        #expect(confirmations.calls(waitingFor: [7, 8]) == [1, 3, 4])
    }
}
