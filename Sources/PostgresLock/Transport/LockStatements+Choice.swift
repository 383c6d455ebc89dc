import LibPQ
import LockCore

// Requests for any of several keys.
extension LockStatements {
    /// Takes the first free ones of several keys, and no more: `LIMIT` ends the scan. Any `ORDER BY`, `DISTINCT` or aggregate would take all.
    ///
    /// A row per key that was taken: its place, from 1 on, in ten bits, the lowest first.
    static func tryAny(_ attempt: LockTable.ChoiceTry) -> Statement {
        Statement(
            attempt.mode == .shared ? tryAnyShared : tryAnyExclusive,
            .list(arrays(attempt.keys) + [.int4(Int32(attempt.keys.count)), .int8(Int64(attempt.count))])
        )
    }

    private static let tryAnyShared = tryAny(.shared)
    private static let tryAnyExclusive = tryAny(.exclusive)

    private static func tryAny(_ mode: Mode) -> Statement.Template {
        Statement.Template(
            name: "pglock_try_any_\(mode)",
            """
            SELECT \(placeBits) FROM pg_catalog.generate_series(1, $5) i \
            WHERE CASE WHEN $4[i] OPERATOR(pg_catalog.=) 1 \
            THEN pg_catalog.pg_try_advisory_lock\(suffix(mode))($1[i]) \
            ELSE pg_catalog.pg_try_advisory_lock\(suffix(mode))($2[i], $3[i]) END LIMIT $6
            """,
            shape: .booleans
        )
    }

    /// How many columns a place takes.
    static let placeWidth = 10

    private static let placeBits = (0..<placeWidth)
        .map { "(i OPERATOR(pg_catalog.&) \(1 << $0)) OPERATOR(pg_catalog.<>) 0" }
        .joined(separator: ", ")

    /// Releases those of the keys that the session holds. It looks first, since an unlock of what is not held is a warning in the server's log.
    static func releaseHeld(_ keys: [AdvisoryKey], _ mode: Mode) -> Statement {
        let function = "pg_catalog.pg_advisory_unlock\(suffix(mode))"
        return Statement(
            """
            SELECT CASE WHEN w.space OPERATOR(pg_catalog.=) 1 THEN \(function)(w.number) ELSE \(function)(w.high, w.low) END \
            FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4)) \
            w(number, high, low, space) \
            WHERE ROW(w.high::pg_catalog.oid, w.low::pg_catalog.oid, w.space) OPERATOR(pg_catalog.=) ANY (\
            SELECT l.classid, l.objid, l.objsubid::pg_catalog.int4 FROM pg_catalog.pg_locks l WHERE \(isOwnAdvisoryLock) \
            AND l.mode OPERATOR(pg_catalog.=) '\(mode == .shared ? "ShareLock" : "ExclusiveLock")')
            """,
            parameters: arrays(keys),
            shape: .booleans
        )
    }

    /// As numbers of 64 bits, and as `pg_locks` shows them.
    private static func arrays(_ keys: [AdvisoryKey]) -> [Statement.Parameter] {
        let shown = keys.map(\.shown)
        return [
            .int8Array(keys.map(\.bits)), .int4Array(shown.map { Int32(bitPattern: $0.high) }),
            .int4Array(shown.map { Int32(bitPattern: $0.low) }), .int4Array(shown.map(\.space)),
        ]
    }
}
