import PostgresLock
import Testing

/// Typical uses of `withLock`. That they compile is part of the test.
@Suite("Uses of withLock", .database)
struct WithLockUseTests {
    /// Not sendable, on purpose.
    final class Notebook {
        var lines: [String] = []
    }

    actor Account {
        private var balance = 0
        let locks: LockManager

        init(locks: LockManager) { self.locks = locks }

        func deposit(_ amount: Int) async throws -> Int {
            try await locks.withLock("account") { _ in
                preconditionIsolated()
                let before = balance
                await Task.yield()
                balance = before + amount
                return balance
            }
        }
    }

    @MainActor final class Screen {
        var text = ""

        func refresh(_ locks: LockManager) async throws {
            try await locks.withLock("screen") { lock in
                MainActor.preconditionIsolated()
                await Task.yield()
                text = "\(lock.key.name ?? "")"
            }
        }
    }

    @Test("a body can change local variables, also non-Sendable ones, and return non-Sendable values")
    func locals() async throws {
        let locks = try TestDatabase.get().manager()
        var count = 0
        let notebook = Notebook()
        let same = try await locks.withLock("a") { lock in
            count += 1
            notebook.lines.append("held: \(lock.isHeld)")
            return notebook
        }
        #expect(same === notebook)
        #expect(notebook.lines == ["held: true"])
        #expect(count == 1)
    }

    @Test("a body in an actor stays in its isolation")
    func inActor() async throws {
        let account = Account(locks: try TestDatabase.get().manager())
        #expect(try await account.deposit(3) == 3)
        #expect(try await account.deposit(4) == 7)
    }

    @Test("a body on the main actor stays on it") @MainActor
    func onMainActor() async throws {
        let screen = Screen()
        try await screen.refresh(try TestDatabase.get().manager())
        #expect(screen.text == "screen")
    }

    @Test("withLock works in a nonisolated function, with a function as its body, without a result and with a generic one")
    func functions() async throws {
        let locks = try TestDatabase.get().manager()
        func body(_ lock: HeldLock) async throws -> Bool { lock.isHeld }
        #expect(try await locks.withLock("a", body))
        func generic<Value>(_ value: Value) async throws -> Value {
            try await locks.withLock("a") { _ in value }
        }
        #expect(try await generic("x") == "x")
        try await locks.withLock("a") { _ in }
    }

    @Test("withLock works in task groups and in async let")
    func children() async throws {
        let locks = try TestDatabase.get().manager()
        async let one = locks.withLock("a") { _ in 1 }
        async let two = locks.withLock("a", mode: .shared) { _ in 2 }
        #expect(try await one + two == 3)
        let sum = try await withThrowingTaskGroup { group in
            for number in 1...10 {
                group.addTask { try await locks.withLock("a") { _ in number } }
            }
            return try await group.reduce(0, +)
        }
        #expect(sum == 55)
    }

    @Test("task-local values reach the body, and cancelling the caller cancels it")
    func surroundings() async throws {
        let locks = try TestDatabase.get().manager()
        try await Self.$tint.withValue("red") {
            try await locks.withLock("a") { _ in #expect(Self.tint == "red") }
        }
        let (started, continuation) = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            try await locks.withLock("a") { _ in
                continuation.yield()
                try await Task.sleep(for: .seconds(600))
            }
        }
        for await _ in started { break }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await locks.isFree("a"))
    }

    @TaskLocal static var tint = ""
}
