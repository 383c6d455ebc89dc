import LibPQ
import LockCore
import PostgresLock

/// How many locks the holders of some locks hold altogether.
struct OtherLocks {
    /// The most holders that are asked about.
    private static let most = 20

    private var counts: [Int32: Int] = [:]

    /// Locks that only say since when others are held are not counted.
    ///
    /// - Parameter shown: The locks that are known.
    init(of shown: [SeenLock], _ server: LookSession) throws {
        let holders = Set(shown.lazy.filter(\.isHeld).compactMap(\.session.processID)).sorted()
        guard !holders.isEmpty else { return }
        let numbers = holders.prefix(Self.most).map(String.init).joined(separator: ", ")
        let result = try server.ask(
            """
            \(LockLook.setting); WITH l AS MATERIALIZED (
                SELECT pid, classid::int8 AS high, objid::int8 AS low, objsubid, mode FROM pg_locks
                WHERE locktype = 'advisory' AND granted AND pid IN (\(numbers))
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            )
            SELECT pid, count(*) FROM l WHERE NOT (objsubid = 2 AND mode = 'ShareLock' AND high IN (SELECT \(LockLook.sinceClass) FROM l))
            GROUP BY pid
            """
        )
        for row in 0..<result.rowCount {
            guard let pid = result.text(row: row, column: 0).flatMap({ Int32($0) }) else { continue }
            counts[pid] = result.text(row: row, column: 1).flatMap { Int($0) }
        }
    }

    /// How many locks the session holds besides one; `nil` if it was not asked about.
    func count(_ session: SeenSession) -> Int? {
        session.processID.flatMap { counts[$0] }.map { max(0, $0 - 1) }
    }

    func text(_ session: SeenSession) -> String? {
        guard let count = count(session), let pid = session.processID else { return nil }
        guard count > 0 else { return "this session holds no other lock" }
        return "this session holds \(count) other lock\(count == 1 ? "" : "s"): pglock ps --pid \(pid)"
    }
}
