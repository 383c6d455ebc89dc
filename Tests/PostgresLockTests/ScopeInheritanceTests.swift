import LibPQ
import Testing

@testable import PostgresLock

@Suite("What scopes pass on to their bodies")
struct ScopeInheritanceTests {
    #if compiler(>=6.3)
        @Test("the body of every scope runs on the task executor that its caller prefers", .database)
        func taskExecutor() async throws {
            let locks = try TestDatabase.get().manager()
            let executor = GatedExecutor()
            let task = Task(executorPreference: executor) {
                #expect(executor.isCurrent)
                try await locks.withLock("a") { _ in #expect(executor.isCurrent) }
                try await locks.withLocks([.exclusive("a"), .exclusive("b")]) { _ in #expect(executor.isCurrent) }
                try await locks.withTransaction(locking: "a") { _ in #expect(executor.isCurrent) }
                try await locks.withSession { session in
                    #expect(executor.isCurrent)
                    try await session.withLock("a") { _ in #expect(executor.isCurrent) }
                }
            }
            try await task.value
        }
    #endif

    @Test("a chain of tasks, each started inside the scope of the one before, does not accumulate scopes that have ended", .database)
    func generations() async throws {
        let locks = try TestDatabase.get().manager()
        let counts = Locked<[Int]>([])
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            @Sendable func run(_ generation: Int) {
                Task {
                    try await locks.withLock("job") { _ in
                        counts.withLock { $0.append(EnclosingLock.all.count) }
                        guard generation < 50 else { return continuation.resume() }
                        run(generation + 1)
                    }
                }
            }
            run(1)
        }
        #expect(counts.withLock { $0 } == Array(repeating: 1, count: 50))
    }
}
