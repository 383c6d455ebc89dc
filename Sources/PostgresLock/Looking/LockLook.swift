package import LockCore

#if canImport(FoundationEssentials)
    package import FoundationEssentials
#else
    package import Foundation
#endif

/// What is asked of the server's view of its advisory locks, and how the answer is read.
///
/// It takes no lock, and needs no right. The server walks through all its locks for it, whatever is asked for: 2 to 5 ms for each thousand.
package struct LockLook: Sendable {
    /// The keys; `nil` for all.
    package var keys: [AdvisoryKey]?
    /// Only keys that sessions wait for.
    package var isContendedOnly = false
    /// Only locks of these sessions.
    package var processIDs: [Int32] = []
    /// Only locks of sessions whose name contains this.
    package var namePart: String?
    /// The most locks. Those that are waited for come first.
    package var limit: Int?

    package init(keys: [AdvisoryKey]? = nil) {
        self.keys = keys
    }

    /// What has to be set in the transaction of the statement: names and operators are PostgreSQL's own, and no join is a loop in a loop.
    /// (The planner does not know how many locks there are.)
    package static let setting = "SET LOCAL search_path = pg_catalog, pg_temp; \(loops)"
    static let loops = "SET LOCAL enable_nestloop = off"

    /// The statement. Times are in seconds since 1970. Values are numbers, or in hexadecimal digits.
    ///
    /// The column `waitstart` exists from version 14 on, so it is read through JSON, for the few locks that are waited for. Behind the locks that are
    /// asked for come those that say since when these are held: see ``ReleaseProtocol/since(_:seconds:)``. A prepared transaction has no process. Its
    /// locks have the virtual number of the transaction that it was, and so has the lock on its own number, which `pg_prepared_xacts` lists.
    /// `pg_locks` is read for that only if there is one.
    package var sql: String {
        """
        WITH l AS MATERIALIZED (
            SELECT l.classid::int8 AS high, l.objid::int8 AS low, l.objsubid::int4 AS space, l.mode = 'ExclusiveLock' AS exclusive,
                l.granted, l.pid, CASE WHEN NOT l.granted THEN (to_jsonb(l) ->> 'waitstart')::timestamptz END AS since,
                CASE WHEN l.pid IS NULL THEN l.virtualtransaction END AS prepared
            FROM pg_locks l
            WHERE l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            \(keyCondition)
        ), a AS MATERIALIZED (SELECT * FROM pg_stat_activity),
        c AS (SELECT l.*, (high, low, space) IN (SELECT high, low, space FROM l WHERE NOT granted) AS contended FROM l),
        t AS MATERIALIZED (
            SELECT t.*, count(*) OVER () AS total FROM c t WHERE \(conditions)
            ORDER BY contended DESC, high, low, space, granted DESC, since, pid \(limit.map { "LIMIT \($0)" } ?? "")
        ), r AS (
            SELECT t.*, false AS is_time FROM t
            UNION ALL SELECT l.*, false, 0, true FROM l WHERE space = 2 AND granted AND NOT exclusive AND high IN (
                SELECT \(Self.sinceClass) FROM (SELECT high, low, space AS objsubid FROM t WHERE granted) held)
        ), x AS (
            SELECT x.*, l.virtualtransaction FROM pg_prepared_xacts x JOIN pg_locks l ON l.transactionid = x.transaction
            WHERE l.locktype = 'transactionid' AND l.granted AND l.pid IS NULL AND (SELECT count(*) FROM r WHERE pid IS NULL) > 0
        )
        SELECT high, low, space, r.exclusive, r.granted, r.pid, date_part('epoch', r.since), coalesce(a.application_name, x.gid),
            coalesce(a.usename, x.owner), host(a.client_addr), a.client_port, CASE WHEN x.gid IS NULL THEN a.state ELSE 'prepared' END,
            date_part('epoch', a.backend_start), date_part('epoch', coalesce(a.state_change, x.prepared)),
            date_part('epoch', a.xact_start), a.wait_event_type, contended, total, date_part('epoch', clock_timestamp()), is_time
        FROM r LEFT JOIN a ON a.pid = r.pid LEFT JOIN x ON x.virtualtransaction = r.prepared
        ORDER BY is_time, contended DESC, high, low, space, r.granted DESC, r.since, r.pid
        """
    }

    /// The first number of the locks that say since when one is held whose columns are `high`, `low` and `objsubid`.
    package static let sinceClass: String = {
        let masks = AdvisoryKey.Space.allCases.map { UInt32(bitPattern: ReleaseProtocol.sinceMask(of: $0)) }
        return "high # low # CASE objsubid WHEN 1 THEN \(masks[0])::int8 ELSE \(masks[1])::int8 END"
    }()

    /// Locks that say since when a key is held are looked at together with the key.
    private var keyCondition: String {
        guard let keys else { return "" }
        guard !keys.isEmpty else { return "AND false" }
        let classes = Set(keys.map { UInt32(bitPattern: ReleaseProtocol.sinceClass(of: $0)) }).sorted().map(String.init)
        return """
            AND ((l.classid::int8, l.objid::int8, l.objsubid::int4) IN (VALUES \(Self.values(keys)))
                OR l.objsubid = 2 AND l.classid::int8 IN (\(classes.joined(separator: ", "))))
            """
    }

    private static func values(_ keys: [AdvisoryKey]) -> String {
        keys.map(\.shown).map { "(\($0.high)::int8, \($0.low)::int8, \($0.space))" }.joined(separator: ", ")
    }

    private var conditions: String {
        var conditions = ["true"]
        if let keys, !keys.isEmpty { conditions.append("(high, low, space) IN (VALUES \(Self.values(keys)))") }
        if keys == nil {
            let held = "SELECT high, low, space AS objsubid FROM l WHERE granted"
            conditions.append("NOT (space = 2 AND granted AND NOT exclusive AND high IN (SELECT \(Self.sinceClass) FROM (\(held)) held))")
        }
        if isContendedOnly { conditions.append("contended") }
        if !processIDs.isEmpty { conditions.append("t.pid IN (\(processIDs.map(String.init).joined(separator: ", ")))") }
        if let namePart {
            let digits = namePart.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            let name = "lower(convert_from(decode('\(digits)', 'hex'), 'UTF8'))"
            conditions.append("t.pid IN (SELECT a.pid FROM a WHERE strpos(lower(a.application_name), \(name)) > 0)")
        }
        return conditions.joined(separator: " AND ")
    }

    /// What a look has found.
    package struct Found: Sendable {
        package var locks: [SeenLock] = []
        /// How many locks the conditions are true for, if there is a limit of fewer.
        package var total = 0
        /// The server's time.
        package var time: Date?
        /// Whether the server is a standby, as far as that was asked.
        package var isStandby = false

        package init(locks: [SeenLock] = []) {
            self.locks = locks
            total = locks.count
        }
    }

    package static func read(_ rows: any StatementRows) -> Found {
        var found = Found()
        var times: [SeenLock] = []
        for row in 0..<rows.rowCount {
            func int(_ column: Int) -> Int64? { rows.text(row: row, column: column).flatMap { Int64($0) } }
            func time(_ column: Int) -> Date? {
                rows.text(row: row, column: column).flatMap { Double($0) }.map { Date(timeIntervalSince1970: $0) }
            }
            func flag(_ column: Int) -> Bool { rows.text(row: row, column: column) == "t" }
            guard let high = int(0), let low = int(1), let space = int(2) else { continue }
            let address = rows.text(row: row, column: 9).map { host in int(10).map { "\(host):\($0)" } ?? host }
            let session = SeenSession(
                processID: int(5).map { Int32(truncatingIfNeeded: $0) },
                name: rows.text(row: row, column: 7) ?? "",
                role: rows.text(row: row, column: 8),
                address: address,
                state: rows.text(row: row, column: 11),
                start: time(12),
                change: time(13),
                transactionStart: time(14),
                waitType: rows.text(row: row, column: 15)
            )
            let lock = SeenLock(
                key: AdvisoryKey(high: UInt32(truncatingIfNeeded: high), low: UInt32(truncatingIfNeeded: low), isPair: space == 2),
                mode: flag(3) ? .exclusive : .shared,
                isHeld: flag(4),
                session: session,
                since: time(6),
                isContended: flag(16)
            )
            found.time = time(18)
            guard !flag(19) else {
                times.append(lock)
                continue
            }
            found.locks.append(lock)
            found.total = int(17).map(Int.init) ?? 0
        }
        found.locks = set(times, in: found.locks)
        return found
    }

    /// Gives held locks the times that others say, and takes these out.
    ///
    /// A holder publishes the time on the session that it shares among its locks, which may be another one than the lock's. Sessions whose names
    /// have no mark can't be told to be of one manager. Of a lock that only one session holds, a name that is the same is enough.
    private static func set(_ times: [SeenLock], in locks: [SeenLock]) -> [SeenLock] {
        guard !times.isEmpty else { return locks }
        let published = Dictionary(grouping: times, by: \.key.pair.first)
        var used: Set<SeenLock.Place> = []
        let timed = locks.map { lock -> SeenLock in
            guard lock.isHeld, let candidates = published[ReleaseProtocol.sinceClass(of: lock.key)] else { return lock }
            let ours = candidates.filter { time in
                guard time.key != lock.key else { return false }
                return time.session.manager == lock.session.manager
                    || lock.mode == .exclusive && (time.session.name, time.session.role) == (lock.session.name, lock.session.role)
            }
            guard let latest = ours.max(by: { $0.seconds < $1.seconds }) else { return lock }
            used.formUnion(ours.map(\.place))
            var lock = lock
            lock.since = Date(timeIntervalSince1970: Double(latest.seconds))
            return lock
        }
        return timed.filter { !used.contains($0.place) || $0.mode == .exclusive }
    }
}

extension SeenLock {
    fileprivate struct Place: Hashable {
        let key: AdvisoryKey
        let processID: Int32?
    }

    fileprivate var place: Place { Place(key: key, processID: session.processID) }
    fileprivate var seconds: UInt32 { UInt32(bitPattern: key.pair.second) }
}

extension AdvisoryKey {
    /// The key by the columns `classid`, `objid` and `objsubid` of `pg_locks`.
    package init(high: UInt32, low: UInt32, isPair: Bool) {
        if isPair {
            self.init(Int32(bitPattern: high), Int32(bitPattern: low))
        } else {
            self.init(Int64(bitPattern: UInt64(high) << 32 | UInt64(low)))
        }
    }
}
