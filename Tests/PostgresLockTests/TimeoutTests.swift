import FaultTools
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("What a timeout says")
struct TimeoutTests {
    private static let limit = Duration.milliseconds(700)

    /// Over a link of the test's own.
    private static func manager(
        over link: SlowLink,
        _ database: TestDatabase,
        _ configure: (inout LockManager.Configuration) -> Void = { _ in }
    ) throws -> LockManager {
        try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
            configure(&$0)
        }
    }

    @Test("while the server is silent, a timeout is reported as noAnswer, whichever way the lock is asked for", .server())
    func silence() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try Self.manager(over: link, database) {
            $0.pool.maximumConnections = 20
            $0.timeouts.response = .seconds(15)
        }
        let held = try await locks.acquire("held here")
        let (free, isFree) = AsyncStream.makeStream(of: Void.self)
        try await locks.withTransaction { _ in
            try await locks.withSession { _ in isFree.finish() }
        }
        for await _ in free {}
        link.swallowEverything()
        async let single = lockError { try await locks.withLock("a", timeout: Self.limit) { _ in } }
        async let behind = lockError { try await locks.withLock("a", timeout: Self.limit) { _ in } }
        async let several = lockError { try await locks.withLocks([.shared("b"), .exclusive("c")], timeout: Self.limit) { _ in } }
        async let own = lockError { try await locks.withLock("held here", timeout: Self.limit) { _ in } }
        let errors = await (single, behind, several, own)
        #expect(errors.0?.code == .noAnswer, "\(String(describing: errors.0))")
        #expect(errors.1?.code == .noAnswer, "\(String(describing: errors.1))")
        #expect(errors.2?.code == .noAnswer, "\(String(describing: errors.2))")
        #expect(errors.2.map { Set($0.keys) } == ["b", "c"])
        #expect(errors.3?.code == .timedOut, "\(String(describing: errors.3))")
        #expect(errors.0?.message.contains("The server has not said") == true)
        // The deadline can't be sent to the server, so the wait ends with its connection.
        let transaction = await lockError { try await locks.withTransaction(locking: "d", timeout: Self.limit) { _ in } }
        #expect(transaction?.code == .connectionLost, "\(String(describing: transaction))")
        link.swallowNothing()
        _ = consume held
    }

    @Test("a free lock is not reported as taken if the server's answer comes after the deadline", .server())
    func slow() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try Self.manager(over: link, database)
        let taken = try await database.manager().acquire("taken")
        try await locks.withLock("x") { _ in }
        try await locks.withTransaction { _ in }
        try await locks.withSession { session in
            link.setDelay(.seconds(1))
            let free = await lockError { try await session.acquire("free", timeout: Self.limit) }
            #expect(free?.code == .noAnswer, "\(String(describing: free))")
            let other = await lockError { try await session.acquire("taken", timeout: Self.limit) }
            #expect(other?.code == .timedOut, "\(String(describing: other))")
            link.setDelay(.zero)
        }
        link.setDelay(.seconds(1))
        let transaction = await lockError { try await locks.withTransaction(locking: "free", timeout: Self.limit) { _ in } }
        #expect(transaction?.code == .noAnswer, "\(String(describing: transaction))")
        let single = await lockError { try await locks.withLock("free", timeout: Self.limit) { _ in } }
        #expect(single?.code == .noAnswer, "\(String(describing: single))")
        link.setDelay(.zero)
        try await locks.withLock("free") { _ in }
        try await taken.release()
    }

    @Test("a lock that another task of the process waits for is reported as taken while the server answers", .server())
    func joining() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try Self.manager(over: link, database)
        let taken = try await database.manager().acquire("taken")
        let waiting = Task { try await locks.withLock("taken", timeout: .seconds(120)) { _ in } }
        try await database.eventually("one waits") { try await database.locks(granted: false) == 1 }
        let answered = await informedError(from: .seconds(3)) { try await locks.withLock("taken", timeout: $0) { _ in } }
        #expect(answered?.code == .timedOut, "\(String(describing: answered))")
        #expect(answered?.message.contains("which is taken") == true)
        link.swallowEverything()
        let silent = await lockError { try await locks.withLock("taken", timeout: Self.limit) { _ in } }
        #expect(silent?.code == .noAnswer, "\(String(describing: silent))")
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        link.swallowNothing()
        try await taken.release()
    }

    @Test(
        "of transactions that wait together for a taken lock, all are told that it is taken, also those behind the first one",
        .lockServers,
        arguments: ServerKind.allCases
    )
    func together(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        let taken = try await server.manager().acquire("taken")
        try await locks.withLock("x") { _ in }
        @Sendable func ask(_ limit: Duration) async -> LockError? {
            await lockError { try await locks.withTransaction(locking: "taken", timeout: limit) { _ in } }
        }
        // So short that the server is asked at once, before any of them waits on the server. A busy machine gets more time.
        var limit = Duration.seconds(2)
        var errors: [LockError?] = []
        repeat {
            let present = limit
            async let first = ask(present)
            async let second = ask(present)
            async let third = ask(present)
            errors = await [first, second, third]
            limit *= 4
        } while errors.contains { $0?.code == .noAnswer } && limit < .seconds(60)
        for error in errors { #expect(error?.code == .timedOut, "\(String(describing: error))") }
        try await taken.release()
    }

    @Test("locks of a set that the server has refused once are reported as taken, also if it does not answer again", .server())
    func sets() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try Self.manager(over: link, database)
        let others = try database.manager()
        let a = try await others.acquire("a")
        let b = try await others.acquire("b")
        try await locks.withLock("x") { _ in }
        var error: LockError?
        // On a busy machine the first answer may take longer than usual. Then the network is slower by so much that it does not matter.
        for seconds in [1, 3, 5] {
            link.setDelay(.seconds(seconds))
            let began = ContinuousClock.now
            let isFree = try await locks.isFree("a")
            #expect(!isFree)
            let limit = (ContinuousClock.now - began) * 3 / 2
            error = await lockError { try await locks.withLocks([.exclusive("a"), .exclusive("b")], timeout: limit) { _ in } }
            guard error?.code == .noAnswer else { break }
        }
        #expect(error?.code == .timedOut, "\(String(describing: error))")
        link.setDelay(.zero)
        try await a.release()
        try await b.release()
    }

    @Test(
        "a full pool is reported as poolExhausted, also while another connection is being opened",
        .lockServers,
        arguments: ServerKind.allCases
    )
    func fullPool(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager { $0.pool.maximumConnections = 3 }
        try await locks.withSession { _ in
            let sharedSession = Task { try await locks.withLock("a") { _ in } }
            let error = await lockError { try await locks.withSession(timeout: .milliseconds(1)) { _ in } }
            #expect(error?.code == .poolExhausted, "\(String(describing: error))")
            #expect(error?.message.contains("pool.maximumConnections") == true)
            let zero = await lockError { try await locks.withTransaction(locking: "b", timeout: .zero) { _ in } }
            #expect(zero?.code == .poolExhausted, "\(String(describing: zero))")
            try await sharedSession.value
        }
    }
}
