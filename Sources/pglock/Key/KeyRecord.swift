import Foundation
import PostgresLock

/// A named key, as `pglock key --json` prints it.
struct KeyRecord: Encodable {
    let name: String
    let key: Int64
    /// In `pg_locks`, the upper half of the number.
    let classid: UInt32
    /// In `pg_locks`, the lower half of the number.
    let objid: UInt32
    /// In `pg_locks`, 1 for a single number and 2 for a pair.
    let objsubid: Int

    init?(_ key: LockKey) {
        guard let name = key.name, let number = key.number else { return nil }
        self.name = name
        self.key = number
        let bits = UInt64(bitPattern: number)
        classid = UInt32(truncatingIfNeeded: bits >> 32)
        objid = UInt32(truncatingIfNeeded: bits)
        objsubid = 1
    }

    static func json(_ records: [KeyRecord]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(records), as: UTF8.self)
    }
}
