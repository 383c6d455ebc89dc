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
    let objsubid: Int32

    init(name: String, _ key: LockKey) {
        self.name = name
        self.key = key.number
        pair = key.pair.map { [$0.first, $0.second] }
        (classid, objid, objsubid) = key.advisory.shown
    }
}
