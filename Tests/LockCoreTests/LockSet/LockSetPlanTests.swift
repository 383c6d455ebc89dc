import LockCore
import Testing

@Suite("The steps in which several locks are taken")
struct LockSetPlanTests {
    @Test("free locks take one step")
    func free() {
        var plan = LockSetPlan(count: 3, mayWait: true)
        #expect(plan.next { _ in false } == .tryAll([0, 1, 2]))
        #expect(plan.next { _ in true } == .complete)
    }

    @Test("the first taken lock is waited for, with the locks before it held and those behind it released")
    func wait() {
        var plan = LockSetPlan(count: 5, mayWait: true)
        #expect(plan.next { _ in false } == .tryAll([0, 1, 2, 3, 4]))
        #expect(plan.next { [0, 2, 4].contains($0) } == .wait(1, releasing: [2, 4]))
        #expect(plan.next { $0 < 2 } == .tryAll([2, 3, 4]))
        #expect(plan.next { $0 != 3 } == .wait(3, releasing: [4]))
        // What is left is the last one, behind which nothing can be held.
        #expect(plan.next { $0 < 4 } == .wait(4, releasing: []))
        #expect(plan.next { _ in true } == .complete)
    }

    @Test("without waiting, the taken locks are reported after one step")
    func refused() {
        var plan = LockSetPlan(count: 3, mayWait: false)
        #expect(plan.next { _ in false } == .tryAll([0, 1, 2]))
        #expect(plan.next { $0 == 1 } == .refused([0, 2]))
    }

    @Test("a lock that is lost meanwhile is asked for again, and the locks behind it are released meanwhile")
    func lost() {
        var plan = LockSetPlan(count: 4, mayWait: true)
        _ = plan.next { _ in false }
        #expect(plan.next { $0 != 2 } == .wait(2, releasing: [3]))
        #expect(plan.next { $0 == 2 } == .tryAll([0, 1, 3]))
        #expect(plan.next { $0 > 1 } == .wait(0, releasing: [2, 3]))
    }

    @Test("a single lock is waited for at once, and an empty set is held at once")
    func few() {
        var plan = LockSetPlan(count: 1, mayWait: true)
        #expect(plan.next { _ in false } == .wait(0, releasing: []))
        plan = LockSetPlan(count: 0, mayWait: true)
        #expect(plan.next { _ in false } == .complete)
        plan = LockSetPlan(count: 0, mayWait: false)
        #expect(plan.next { _ in false } == .complete)
    }

    @Test("free keys of one kind go out as one statement, taken and given back")
    func statements() {
        var script = EngineScript()
        script.acquire(0)
        script.connected(1)
        script.answered(1, true)
        let numbers = (1...100).map { UInt64($0) }
        let taken = script.on { engine, now in
            for number in numbers {
                engine.acquire(RequestID(number), .init(AdvisoryKey(Int64(number) + 1), .exclusive, noWait: true), now: now)
            }
        }
        let keys = numbers.map { AdvisoryKey(Int64($0) + 1) }
        #expect(taken == [.submit(1, .batch(.init(.init(.tryLock, .exclusive, .int8), keys)))])
        #expect(script.answered(1, rows: numbers.map { _ in true }) == numbers.map { .resolve(RequestID($0), .granted) })
        let released = script.on { engine, now in
            for number in numbers { engine.release(RequestID(number), now: now) }
        }
        #expect(released == [.submit(1, .batch(.init(.init(.unlock, .exclusive, .int8), keys)))])
    }
}
