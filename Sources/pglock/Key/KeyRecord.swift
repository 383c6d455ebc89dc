import Foundation
import PostgresLock

/// A named key, as `pglock key --json` prints it.
struct KeyRecord: Encodable {
    let name: String
    /// Absent if the key is a pair.
    let key: Int64?
    /// Absent if the key is a single number.
    let pair: [Int32]?
    /// In `pg_locks`, the upper half of the number, or the first of a pair.
    let classid: UInt32
    /// In `pg_locks`, the lower half of the number, or the second of a pair.
    let objid: UInt32
    /// In `pg_locks`, 1 for a single number and 2 for a pair.
    let objsubid: Int

    init(name: String, _ key: LockKey) {
        self.name = name
        self.key = key.number
        let pair = key.pair
        self.pair = pair.map { [$0.first, $0.second] }
        let bits = key.number.map { UInt64(bitPattern: $0) } ?? 0
        classid = pair.map { UInt32(bitPattern: $0.first) } ?? UInt32(truncatingIfNeeded: bits >> 32)
        objid = pair.map { UInt32(bitPattern: $0.second) } ?? UInt32(truncatingIfNeeded: bits)
        objsubid = pair == nil ? 1 : 2
    }

    static func json(_ records: [KeyRecord]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(records), as: UTF8.self)
    }
}
