import LibPQ
import LockCore

/// Writes a record to the server's log, and reads where it is. When it is answered, the record is on the server's disk.
///
/// It needs no table, and no privilege that not everybody has. Before version 17 the record has to belong to a transaction to
/// be on disk for certain, with a commit that waits for the disk whatever the role's settings say, and for no standby: a
/// standby that lacks the record begins another timeline when it is promoted.
enum FencingStatement {
    /// - Parameter isNamed: Whether it is prepared for repeated use; not on checked-out sessions (see ``SessionSettings/reset(mayDefer:)``).
    static func statement(serverVersion: Int32, isNamed: Bool) -> Statement {
        let record =
            serverVersion >= 170_000
            ? "pg_catalog.pg_logical_emit_message(false, 'pglock', '', true)"
            : """
            CASE WHEN pg_catalog.set_config('synchronous_commit', 'local', true) IS NOT NULL \
            THEN pg_catalog.pg_logical_emit_message(true, 'pglock', '') END
            """
        let sql = "SELECT \(record), pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn())"
        return Statement(name: isNamed ? "pglock_fence" : nil, sql, shape: .rows)
    }

    /// - Returns: `nil` if the answer is an error, or does not fit.
    static func position(_ reply: Reply) -> WALPosition? {
        guard let result = reply.result, result.rowCount == 1, result.columnCount == 2,
            let halves = result.text(row: 0, column: 0)?.split(separator: "/"), halves.count == 2,
            let upper = UInt64(halves[0], radix: 16), let lower = UInt64(halves[1], radix: 16),
            let timeline = result.text(row: 0, column: 1).flatMap({ UInt32($0.prefix(8), radix: 16) })
        else { return nil }
        return WALPosition(timeline: timeline, location: upper << 32 | lower)
    }
}
