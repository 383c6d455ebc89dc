import Logging
import Testing

@testable import PostgresLock

@Suite("Names that are one lock")
struct KeyCollisionTests {
    // Both have the CRC-32 1306201125, and with the same text before them they go on having the same.
    private static let twins = ["plumless", "buckeroo"]

    @Test("a collision is reported once, with both names")
    func once() {
        let collisions = KeyCollisions(capacity: 10)
        let recorder = LogRecorder()
        func use(_ names: [String]) {
            for name in names { collisions.note(LockKey.symfonyLock(name).advisory, name) }
            collisions.report { recorder.logger.warning($0, metadata: $1) }
        }
        use(["plumless", "plumless", "other"])
        #expect(recorder.lines.all.isEmpty)
        use(Self.twins)
        use(Self.twins)
        #expect(recorder.lines.all.count == 1)
        #expect(recorder.lines.all.first?.level == .warning)
        #expect(recorder.lines.all.first?.metadata["pglock.names"] == .array(["plumless", "buckeroo"]))
        #expect(recorder.lines.all.first?.metadata["pglock.key"] == "1306201125")
    }

    @Test("not more names are remembered than there is room for")
    func bounded() {
        let collisions = KeyCollisions(capacity: 1)
        let recorder = LogRecorder()
        for name in ["other"] + Self.twins { collisions.note(LockKey.symfonyLock(name).advisory, name) }
        collisions.report { recorder.logger.warning($0, metadata: $1) }
        #expect(recorder.lines.all.isEmpty)
    }

    @Test("a lock on the caller's connection reports them, too; so do two ways to write one number", .database)
    func connection() async throws {
        let recorder = LogRecorder()
        let owned = try OwnedLibPQ(TestDatabase.get().url)
        var isReported = false
        for _ in 0..<50 where !isReported {
            let digits = String(UInt64.random(in: 1 << 63 ... .max), radix: 16)
            let same = try [digits.uppercased(), digits].map { try LockKey.distributedLock($0) }
            #expect(same[0] == same[1])
            try await ConnectionLock(same[0], on: owned.connection, logger: recorder.logger).withLock {}
            isReported = recorder.lines.all.contains { line in
                line.level == .warning && "\(line.metadata["pglock.names"] ?? "")".contains(digits)
            }
        }
        #expect(isReported)
    }

    @Test(
        "a manager reports those of all schemes of 32 bits",
        .database,
        arguments: [
            { .symfonyLock($0) }, { .djangoPglocks($0) }, { .withAdvisoryLock($0) }, { .railsMigrations(database: $0) },
            { .golangMigrate(database: $0) },
        ] as [@Sendable (String) -> LockKey]
    )
    func manager(key: @Sendable (String) -> LockKey) async throws {
        let recorder = LogRecorder()
        let configuration = LockManager.Configuration(url: try TestDatabase.get().url)
        let locks = try LockManager(configuration: configuration, logger: recorder.logger)
        // Another test's manager may be the first to be used after a collision. It can't always be.
        let prefixes = (0..<50).map { _ in "\(UInt32.random(in: .min ... .max))-" }
        for prefix in prefixes {
            let same = Self.twins.map { key(prefix + $0) }
            #expect(same[0] == same[1])
            try await locks.withLock(same[0]) { _ in }
        }
        await locks.shutdown()
        await locks.drainLog()
        let isReported = recorder.lines.all.contains { line in
            line.level == .warning && prefixes.contains { "\(line.metadata["pglock.names"] ?? "")".contains($0) }
        }
        #expect(isReported)
    }
}
