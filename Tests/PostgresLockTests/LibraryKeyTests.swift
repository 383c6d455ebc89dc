import PostgresLock
import Testing

@Suite("Keys of other libraries")
struct LibraryKeyTests {
    private static let kanji = String(repeating: "漢", count: 18)

    @Test(
        "are the numbers that those libraries use",
        arguments: [
            (.postgresqlLock("my-lock"), 4_791_209_619_368_833_285),
            (.sqlx("my first Postgres advisory lock!"), -5_560_419_505_042_474_287),
            (.djangoPglock("my-lock"), 6_170_642_704_201_584_368),
            (.djangoPglocks("my-lock"), -994_442_763),
            (.symfonyLock("my-lock"), 3_300_524_533),
            (.golangMigrate(database: "postgres"), 143_310_882),
            (.golangMigrate(database: "postgres", schema: "public", table: "schema_migrations"), 143_310_882),
            (.railsMigrations(database: "postgres"), 737_815_420_147_457_505),
            (.goose, 5_887_940_537_704_921_958),
            // By Python's hashlib, zlib and cryptography.
            (.postgresqlLock("größe-漢"), 6_840_792_378_195_243_445),
            (.sqlx("größe-漢"), -2_039_079_714_969_779_553),
            (.djangoPglock("größe-漢"), -587_388_750_602_690_285),
            (.djangoPglocks("größe-漢"), -1_097_882_013),
            (.symfonyLock("größe-漢"), 3_197_085_283),
            (.golangMigrate(database: "größe-漢", schema: "app", table: "migrations"), 3_531_543_404),
            (.railsMigrations(database: "größe-漢"), 6_565_095_840_936_810_135),
        ] as [(LockKey, Int64)]
    )
    func numbers(key: LockKey, number: Int64) {
        #expect(key.number == number)
        #expect(key.pair == nil)
        #expect(key.name?.isEmpty == false)
    }

    @Test(
        "of DistributedLock: short names are pairs",
        arguments: [
            ("a", -1_023_410_177, -1), ("my-lock", -605_720_883, -118_112_257), ("", 2_147_483_647, -1),
            ("0000ffff,8000000a", 0xFFFF, Int32.min + 10),
        ] as [(String, Int32, Int32)]
    )
    func packed(name: String, first: Int32, second: Int32) throws {
        let key = try LockKey.distributedLock(name)
        #expect(key == LockKey(first, second))
        #expect(key.name == name)
    }

    @Test(
        "of DistributedLock: hexadecimal digits are a number, and the rest is hashed",
        arguments: [
            (kanji, -5_707_277_204_051_710_361), ("größe-漢", -5_336_336_180_145_229_986), ("00000000000000fF", 255),
            ("ffffffffffffffff", -1),
        ] as [(String, Int64)]
    )
    func hashed(name: String, number: Int64) throws {
        #expect(try LockKey.distributedLock(name, allowHashing: true).number == number)
    }

    @Test(
        "of DistributedLock: what would have to be hashed is refused where hashing is not allowed",
        arguments: [kanji, "ten-letter", "é", "00000000000000fg", "0000ffff,8000000", ",0000000000000000"]
    )
    func refused(name: String) throws {
        let error = #expect(throws: LockError.self) { try LockKey.distributedLock(name) }
        #expect(error?.code == .invalidArgument)
        #expect(try LockKey.distributedLock(name, allowHashing: true).number != nil)
    }

    @Test("of with_advisory_lock: pairs, with a prefix of the environment's")
    func prefixed() {
        #expect(LockKey.withAdvisoryLock("my-lock") == LockKey(1_153_040_885, 0))
        #expect(LockKey.withAdvisoryLock("größe-漢") == LockKey(1_049_601_635, 0))
        #expect(LockKey.withAdvisoryLock("my-lock", prefix: 7) == LockKey(1_153_040_885, 7))
        #expect(LockKey.withAdvisoryLock("my-lock", prefix: -1) == LockKey(1_153_040_885, .max))
    }

    @Test("of which an empty name is one can be locked by it", .database)
    func emptyName() async throws {
        let locks = try TestDatabase.get().manager()
        let key = try LockKey.distributedLock("")
        try await locks.withLock(key) { lock in #expect(lock.key == LockKey(.max, -1)) }
    }
}
