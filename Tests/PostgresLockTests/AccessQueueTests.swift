import LockCore
import Testing

@testable import PostgresLock

@Suite("The queue for a checked-out session")
struct AccessQueueTests {
    /// A session, and the outcomes of the requests for it.
    private actor Session {
        private var queue = AccessQueue()
        private(set) var outcomes: [Int: AccessQueue.Outcome] = [:]
        private(set) var waiting: Set<Int> = []

        func request() async {
            let request = queue.makeRequest()
            waiting.insert(request)
            let outcome = await withCheckedContinuation { queue.submit(request, $0) }
            waiting.remove(request)
            outcomes[request] = outcome
        }

        func withdraw(_ request: Int) { queue.withdraw(request, .cancelled) }
        func endAccess() { queue.endAccess() }
        func close() { queue.close() }
    }

    /// Makes requests one after the other, runs the body, and returns all outcomes.
    private func outcomes(of count: Int, _ body: (Session) async -> Void) async -> [Int: AccessQueue.Outcome] {
        let session = Session()
        await withTaskGroup { group in
            for number in 1...count {
                group.addTask { await session.request() }
                while await !session.waiting.contains(number), await session.outcomes[number] == nil { await Task.yield() }
            }
            await body(session)
        }
        return await session.outcomes
    }

    /// Waits until so many requests have ended.
    private func reach(_ count: Int, _ session: Session) async {
        while await session.outcomes.count < count { await Task.yield() }
    }

    @Test("requests are granted one at a time, in their order")
    func order() async {
        let outcomes = await outcomes(of: 3) { session in
            for count in 1...3 {
                await reach(count, session)
                #expect(await Set(session.outcomes.keys) == Set(1...count))
                await session.endAccess()
            }
        }
        #expect(outcomes == [1: .granted, 2: .granted, 3: .granted])
    }

    @Test("a request that is withdrawn ends at once, and the next one is granted in its place")
    func withdrawal() async {
        let outcomes = await outcomes(of: 3) { session in
            await session.withdraw(2)
            await reach(2, session)
            await session.endAccess()
        }
        #expect(outcomes == [1: .granted, 2: .withdrawn(.cancelled), 3: .granted])
    }

    @Test("withdrawing a request that was granted has no effect")
    func lateWithdrawal() async {
        let outcomes = await outcomes(of: 2) { session in
            await session.withdraw(1)
            await session.endAccess()
        }
        #expect(outcomes == [1: .granted, 2: .granted])
    }

    @Test("closing the queue ends all requests that wait, and the operation that runs keeps the session")
    func closing() async {
        let outcomes = await outcomes(of: 4) { session in
            await session.close()
            await reach(4, session)
            async let late: Void = session.request()
            while await !session.waiting.contains(5) { await Task.yield() }
            #expect(await session.outcomes[5] == nil)
            await session.endAccess()
            await late
        }
        #expect(outcomes == [1: .granted, 2: .closed, 3: .closed, 4: .closed, 5: .granted])
    }
}
