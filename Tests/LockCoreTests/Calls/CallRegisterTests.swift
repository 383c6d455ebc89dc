import Testing

@testable import LockCore

@Suite("Calls that have not ended")
struct CallRegisterTests {
    private static func at(_ seconds: Int) -> Instant { Duration.seconds(seconds).instant }

    private static func call(_ kind: CallRegister.Call.Kind = .lock(1), deadline: Int? = nil) -> CallRegister.Call {
        CallRegister.Call(kind, since: at(0), deadline: deadline.map(at))
    }

    @Test("a call ends once")
    func end() {
        var calls = CallRegister()
        calls.begin(1, Self.call(.releasing))
        #expect(calls.awaitedCount == 1 && calls[1]?.kind == .releasing && calls[1]?.isWaiting == false)
        #expect(calls.end(1) == true)
        #expect(calls.end(1) == false)
        #expect(calls.isEmpty)
    }

    @Test("deadlines come in their order, once each, and not for calls that have ended")
    func deadlines() {
        var calls = CallRegister()
        for (id, deadline) in [(1, 5), (2, 3), (3, nil), (4, 4)] as [(RequestID, Int?)] { calls.begin(id, Self.call(deadline: deadline)) }
        #expect(calls.nextDeadline() == Self.at(3))
        var others = calls
        #expect(others.end(2) == true)
        #expect(others.nextDeadline() == Self.at(4))
        #expect(calls.end(4) == true)
        #expect(calls.popDue(now: Self.at(2)) == nil)
        #expect(calls.popDue(now: Self.at(9)) == 2)
        #expect(calls[2] != nil, "it has not ended by that")
        #expect(calls.popDue(now: Self.at(9)) == 1)
        #expect(calls.popDue(now: Self.at(9)) == nil)
        #expect(calls.nextDeadline() == nil)
        for id in [1, 2, 3] as [RequestID] { #expect(calls.end(id) == true) }
    }

    @Test("a look comes two seconds before the deadline of its call, at once if that is past, once, and not for a call that has ended")
    func looks() {
        var calls = CallRegister()
        for id in 1...3 as ClosedRange<UInt64> {
            calls.begin(RequestID(id), Self.call(.lock(AdvisoryKey(Int64(id))), deadline: Int(id) + 2))
            calls.planLook(for: RequestID(id), now: Self.at(0))
        }
        calls.planLook(for: 1, now: Self.at(0))
        calls.planLook(for: 7, now: Self.at(0))
        #expect(calls.nextLook() == Self.at(1))
        #expect(calls.end(2) == true)
        #expect(calls.popLook(now: Self.at(0)) == nil)
        #expect(calls.popLook(now: Self.at(5))?.call.kind == .lock(1))
        #expect(calls.popLook(now: Self.at(5))?.call.kind == .lock(3))
        #expect(calls.popLook(now: Self.at(5)) == nil)
        #expect(calls.nextLook() == nil)
        calls.begin(4, Self.call(deadline: 9))
        calls.planLook(for: 4, now: Self.at(8))
        #expect(calls.nextLook() == Self.at(8))
    }

    @Test("calls that end before their deadlines leave nothing behind, however many there are")
    func memory() {
        var calls = CallRegister()
        var ids = RequestIDs()
        for _ in 0..<10_000 {
            let id = ids.make()
            calls.begin(id, Self.call(deadline: 1000))
            calls.planLook(for: id, now: Self.at(0))
            #expect(calls.end(id) == true)
            ids.recycle(id)
        }
        #expect(calls.entryCount < 300)
    }
}
