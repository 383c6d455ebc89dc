import LibPQ
import LockCore

/// Writes a fencing record to the server's log, and reads its location. The server answers when the record is on its disk.
///
/// It needs no table, and only privileges that every role has. Before version 17 a record is on disk for certain only if it belongs to a
/// transaction whose commit waits for the disk; so that is set, whatever the role has. The commit waits for no standby: a standby that lacks the
/// record begins another timeline when it is promoted.
enum FencingStatement {
    /// - Parameter isNamed: Whether it is prepared; not on checked-out sessions (see ``SessionSettings/reset(mayDefer:ofClient:)``).
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

    /// - Returns: `nil` if the answer is an error or has another form.
    static func position(_ reply: Reply) -> WALPosition? {
        guard let result = reply.result, result.rowCount == 1, result.columnCount == 2,
            let location = result.text(row: 0, column: 0).flatMap({ UInt64(logLocation: $0) }),
            let timeline = result.text(row: 0, column: 1).flatMap({ UInt32($0.prefix(8), radix: 16) })
        else { return nil }
        return WALPosition(timeline: timeline, location: location)
    }
}
