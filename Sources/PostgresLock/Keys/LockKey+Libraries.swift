import LockCore

// The keys that other libraries use, so that a fleet in several languages shares its locks. Each follows the library's source,
// which is named, and is tested by numbers that came from there. Where two names have one number of 32 bits, the first lock manager
// that is used afterwards logs a warning.
extension LockKey {
    /// The key of Python's `postgresql-lock` (`Lock.lock_id`), which is that of ``init(_:)-(String)``.
    ///
    /// - Parameter name: What Python's `str(key)` gives.
    public static func postgresqlLock(_ name: String) -> LockKey {
        LockKey(name)
    }

    /// The key of .NET's `DistributedLock.Postgres` (`PostgresAdvisoryLockKey`).
    ///
    /// - Up to 9 characters of ASCII are put into a pair, 7 bits each.
    /// - 16 hexadecimal digits are a 64-bit number, and `8 digits,8 digits` a pair: the form in which such keys are printed.
    /// - Anything else is hashed, if that is allowed: 8 bytes of the SHA-1 of its UTF-8, in little-endian order.
    ///
    /// - Parameters:
    ///   - name: The name, as it is given there.
    ///   - allowHashing: As there, where it is false too unless it is said.
    /// - Throws: ``LockError`` with the code ``LockError/Code/invalidArgument`` if the name would have to be hashed, and that is not
    ///   allowed.
    public static func distributedLock(_ name: String, allowHashing: Bool = false) throws -> LockKey {
        if let key = packedASCII(name) { return LockKey(name: name, key) }
        if let key = hexadecimal(name) { return narrow(name, key) }
        guard allowHashing else {
            throw LockError(
                .invalidArgument,
                """
                “\(name)” is no key of DistributedLock: without hashing that is up to 9 characters of ASCII, 16 hexadecimal digits, \
                or 8 of them, a comma and 8 more.
                """
            )
        }
        return LockKey(name: name, AdvisoryKey(littleEndian(HashFunction.sha1.hash(Array(name.utf8)))))
    }

    /// The key of Rust's `sqlx` (`PgAdvisoryLock::new`): 8 bytes by HKDF with SHA-256, in little-endian order.
    ///
    /// - Parameter name: The string that the key is made from there.
    public static func sqlx(_ name: String) -> LockKey {
        // RFC 5869, without a salt; the first block is long enough.
        let extracted = HashFunction.sha256.authenticationCode(Array(name.utf8), key: Array(repeating: 0, count: 32))
        let info = Array("SQLx (Rust) Postgres advisory lock".utf8)
        return LockKey(name: name, AdvisoryKey(littleEndian(HashFunction.sha256.authenticationCode(info + [1], key: extracted))))
    }

    /// The key of Ruby's `with_advisory_lock` on PostgreSQL: the CRC-32 of the name, and a prefix, as a pair.
    ///
    /// - Parameters:
    ///   - name: The lock's name.
    ///   - prefix: The number in the environment variable `WITH_ADVISORY_LOCK_PREFIX` there; 0 where it is not set.
    public static func withAdvisoryLock(_ name: String, prefix: Int = 0) -> LockKey {
        narrow(
            name,
            AdvisoryKey(Int32(truncatingIfNeeded: crc32(name) & 0x7FFF_FFFF), Int32(truncatingIfNeeded: prefix & 0x7FFF_FFFF))
        )
    }

    /// The key of Python's `django-pglock` (`pglock.advisory_id`): 8 bytes of the SHA-256, in little-endian order.
    ///
    /// - Parameter name: The lock's name.
    public static func djangoPglock(_ name: String) -> LockKey {
        LockKey(name: name, AdvisoryKey(littleEndian(HashFunction.sha256.hash(Array(name.utf8)))))
    }

    /// The key of Python's `django-pglocks` (`advisory_lock`): the CRC-32, as a signed number of 32 bits.
    ///
    /// - Parameter name: The lock's name. Numbers and pairs are used there as they are: ``init(number:)``, ``init(_:_:)``.
    public static func djangoPglocks(_ name: String) -> LockKey {
        narrow(name, AdvisoryKey(Int64(Int32(bitPattern: crc32(name)))))
    }

    /// The key of PHP's Symfony Lock (`PostgreSqlStore`, `DoctrineDbalPostgreSqlStore`): the CRC-32, without a sign.
    ///
    /// - Parameter name: The resource that is locked.
    public static func symfonyLock(_ name: String) -> LockKey {
        narrow(name, AdvisoryKey(Int64(crc32(name))))
    }

    /// The key that Go's `golang-migrate` holds while it migrates a database (`GenerateAdvisoryLockId`).
    ///
    /// - Parameters:
    ///   - database: The database.
    ///   - schema: The schema of the table of migrations.
    ///   - table: The table of migrations.
    public static func golangMigrate(
        database: String,
        schema: String = "public",
        table: String = "schema_migrations"
    ) -> LockKey {
        let salt: UInt32 = 1_486_364_155
        let sum = crc32([schema, table, database].joined(separator: "\0")) &* salt
        return narrow("golang-migrate: \(schema).\(table) in \(database)", AdvisoryKey(Int64(sum)))
    }

    /// The key that Ruby on Rails holds while it migrates a database (`Migrator::MIGRATOR_SALT`).
    ///
    /// - Parameter database: The database.
    public static func railsMigrations(database: String) -> LockKey {
        let salt: Int64 = 2_053_462_845
        return narrow("Rails migrations in \(database)", AdvisoryKey(salt * Int64(crc32(database))))
    }

    /// The key that Go's `goose` holds while it migrates a database (`lock.DefaultLockID`), unless it is given another one.
    public static let goose = LockKey(name: "goose", AdvisoryKey(5_887_940_537_704_921_958))

    /// A key that another name may have as well: one of 32 bits, or of digits that can be written in two ways.
    private static func narrow(_ name: String, _ key: AdvisoryKey) -> LockKey {
        KeyCollisions.shared.note(key, name)
        return LockKey(name: name, key)
    }

    // MARK: Arithmetic

    /// As many bits of a 64-bit number as there are characters times 7, a zero, and ones to the end.
    private static func packedASCII(_ name: String) -> AdvisoryKey? {
        let (capacity, width) = (9, 7)
        guard name.utf8.count <= capacity, name.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
        var bits = name.utf8.reduce(UInt64(0)) { $0 << width | UInt64($1) } << 1
        for _ in name.utf8.count..<capacity { bits = bits << width | 0x7F }
        return pair(high: UInt32(truncatingIfNeeded: bits >> 32), low: UInt32(truncatingIfNeeded: bits))
    }

    private static func hexadecimal(_ name: String) -> AdvisoryKey? {
        let parts = name.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.allSatisfy({ $0.utf8.count * parts.count == 16 && $0.utf8.allSatisfy(isHexadecimal) }) else { return nil }
        let numbers = parts.compactMap { UInt64($0, radix: 16) }
        return switch numbers.count {
        case 1: AdvisoryKey(Int64(bitPattern: numbers[0]))
        case 2: pair(high: UInt32(numbers[0]), low: UInt32(numbers[1]))
        default: nil
        }
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        let character = Character(UnicodeScalar(byte))
        return character.isASCII && character.isHexDigit
    }

    private static func pair(high: UInt32, low: UInt32) -> AdvisoryKey {
        AdvisoryKey(Int32(bitPattern: high), Int32(bitPattern: low))
    }

    private static func littleEndian(_ bytes: some Sequence<UInt8>) -> Int64 {
        Int64(bitPattern: bytes.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }

    /// The checksum of zlib, Ethernet and PNG (ISO 3309), over the text's UTF-8.
    private static func crc32(_ text: String) -> UInt32 {
        ~text.utf8.reduce(~UInt32(0)) { sum, byte in
            (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
    }
}
