package import LockCore

extension AdvisoryKey {
    /// The columns `classid`, `objid` and `objsubid` of `pg_locks`: see `SET_LOCKTAG_INT64` and `SET_LOCKTAG_INT32` in PostgreSQL's
    /// `lockfuncs.c`.
    package var shown: (high: UInt32, low: UInt32, space: Int32) {
        (UInt32(truncatingIfNeeded: bits >> 32), UInt32(truncatingIfNeeded: bits), space == .int8 ? 1 : 2)
    }
}
