import Testing

@testable import LockCore

@Suite("Calls that wait for a session of their own")
struct CheckOutQueueTests {
    private static let start = Instant(nanoseconds: 0)

    private static func after(_ duration: Duration) -> Instant { start.advanced(by: duration) }

    /// The call 1 has a turn for the key 1, which it keeps for a second in any case.
    private static func withTurn() -> CheckOutQueue {
        var queue = CheckOutQueue()
        queue.append(1, turn: CheckOutQueue.Turn(request: 11, key: 1, until: after(.seconds(1))))
        return queue
    }

    @Test("calls come out in order of arrival, past those that have left")
    func order() {
        var queue = CheckOutQueue()
        for id: RequestID in [3, 1, 2, 4] { queue.append(id) }
        queue.remove(3)
        queue.remove(2)
        queue.remove(9)
        #expect(queue.count == 2)
        #expect(queue.first == 1)
        #expect(queue.popFirst() == 1)
        #expect(queue.popFirst() == 4)
        #expect(queue.popFirst() == nil)
        #expect(queue.isEmpty)
    }

    @Test("the calls that do not wait are found behind a number of other calls")
    func tries() {
        var queue = CheckOutQueue()
        for id: UInt64 in 1...6 { queue.append(RequestID(id), noWait: id % 2 == 0) }
        queue.remove(1)
        #expect(queue.tries(behind: 0) == [2, 4, 6])
        #expect(queue.tries(behind: 1) == [4, 6])
        #expect(queue.tries(behind: 2) == [4, 6])
        #expect(queue.tries(behind: 5) == [])
    }

    @Test("the queue of check-outs equals a plain array, whatever comes and goes", arguments: 1...20 as ClosedRange<UInt64>)
    func model(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var queue = CheckOutQueue()
        var model: [RequestID] = []
        for number: UInt64 in 1...2000 {
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1, 2:
                queue.append(RequestID(number))
                model.append(RequestID(number))
            case 3 where !model.isEmpty:
                queue.remove(model.remove(at: Int.random(in: model.indices, using: &random)))
            default:
                #expect(queue.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
            }
            #expect(queue.first == model.first)
            #expect(queue.count == model.count)
        }
    }

    // MARK: Turns

    @Test("a turn that no other task wants does not end")
    func unwanted() {
        var queue = Self.withTurn()
        #expect(queue.isAnyTurnUnwanted)
        queue.want(2, now: Self.start)
        #expect(queue.isAnyTurnUnwanted)
        #expect(queue.nextTurnEnd == nil)
        #expect(queue.popDueTurn(now: Self.after(.seconds(100)))?.call == nil)
    }

    @Test("a turn that other tasks want ends a second later, but not before the time until which it is kept", arguments: [0, 300])
    func wanted(milliseconds: Int) {
        var queue = Self.withTurn()
        let end = Self.after(.milliseconds(1000 + milliseconds))
        queue.want(1, now: Self.after(.milliseconds(milliseconds)))
        #expect(!queue.isAnyTurnUnwanted)
        #expect(queue.nextTurnEnd == end)
        #expect(queue.popDueTurn(now: end.advanced(by: .nanoseconds(-1)))?.call == nil)
        let due = queue.popDueTurn(now: end)
        #expect(due?.call == 1)
        #expect(due?.request == 11)
        #expect(queue.popFirst() == 1, "It goes on waiting until it is told.")
    }

    @Test("a turn that other tasks have wanted before is kept until the given time")
    func keptUntil() {
        var queue = Self.withTurn()
        queue.want(1, keptUntil: Self.start)
        #expect(queue.nextTurnEnd == Self.after(.seconds(1)))
        queue = Self.withTurn()
        queue.want(1, keptUntil: Self.after(.seconds(5)))
        #expect(queue.nextTurnEnd == Self.after(.seconds(5)))
        queue.want(1, now: Self.after(.seconds(9)))
        #expect(queue.nextTurnEnd == Self.after(.seconds(5)), "It is wanted already.")
    }

    @Test("a turn that was due is not due again before other tasks want it anew")
    func wantedAnew() {
        var queue = Self.withTurn()
        queue.want(1, now: Self.start)
        #expect(queue.popDueTurn(now: Self.after(.seconds(1)))?.call == 1)
        #expect(queue.nextTurnEnd == nil)
        #expect(queue.popDueTurn(now: Self.after(.seconds(1)))?.call == nil)
        queue.want(1, now: Self.after(.seconds(2)))
        #expect(queue.popDueTurn(now: Self.after(.seconds(3)))?.call == 1)
    }

    @Test("of several turns the one that ends first is due first")
    func several() {
        var queue = Self.withTurn()
        queue.append(2, turn: CheckOutQueue.Turn(request: 12, key: 1, until: Self.after(.seconds(9))))
        queue.append(3, turn: CheckOutQueue.Turn(request: 13, key: 2, until: Self.after(.seconds(2))))
        queue.want(1, now: Self.start)
        #expect(queue.isAnyTurnUnwanted)
        queue.want(2, now: Self.start)
        for (call, seconds): (RequestID, Int) in [(1, 1), (3, 2), (2, 9)] {
            #expect(queue.nextTurnEnd == Self.after(.seconds(seconds)))
            #expect(queue.popDueTurn(now: Self.after(.seconds(seconds)))?.call == call)
        }
    }

    @Test("a call that leaves takes its turn along, also one that was due", arguments: [(false, false), (true, false), (true, true)])
    func leaves(isWanted: Bool, wasDue: Bool) {
        var queue = Self.withTurn()
        if isWanted { queue.want(1, now: Self.start) }
        if wasDue { #expect(queue.popDueTurn(now: Self.after(.seconds(1)))?.call == 1) }
        queue.remove(1)
        #expect(!queue.isAnyTurnUnwanted)
        queue.want(1, now: Self.start)
        #expect(queue.nextTurnEnd == nil)
    }

    @Test("a hundred thousand wanted turns that end early cost no more than their number")
    func many() {
        var queue = CheckOutQueue()
        for number: UInt64 in 1...100_000 {
            let turn = CheckOutQueue.Turn(request: RequestID(number), key: 1, until: Self.after(.seconds(1)))
            queue.append(RequestID(number), turn: turn)
            queue.want(1, now: Self.start)
        }
        // Quadratic work would take minutes here.
        for number: UInt64 in (2...100_000).reversed() { queue.remove(RequestID(number)) }
        #expect(queue.popDueTurn(now: Self.after(.seconds(1)))?.call == 1)
    }
}
