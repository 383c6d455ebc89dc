#if canImport(FoundationEssentials)
    public import FoundationEssentials
#else
    public import Foundation
#endif

/// Which session leads at present: see ``LockManager/leader(of:)``.
public struct Leader: Hashable, Sendable {
    /// The session's `application_name`: see ``LockManager/Configuration/applicationName``.
    public let name: String
    /// When it became the leader, to the second, by the server's clock. `nil` in the first moments of a term, and if another kind of program
    /// holds the lock.
    public let since: Date?
    /// The session's process on the server, as in `pg_stat_activity`.
    public let processID: Int32
}

extension Leader {
    /// As far as the server shows it: a session can lead several terms, one after the other.
    func isSameTerm(as other: Leader) -> Bool {
        processID == other.processID && (since == nil || other.since == nil || since == other.since)
    }

    /// A lock that bears on an election, as the server shows it.
    struct Row: Hashable {
        let processID: Int32
        let applicationName: String?
        /// The beginning of a term; `nil` for the lead itself.
        let termStart: Int64?
    }

    /// The advisory locks of this database that are the lead, or on a term of the election. The parameters are the columns of the lead, and
    /// the class of terms.
    static let rows = """
        SELECT l.pid, a.application_name, CASE WHEN l.objsubid = 2 THEN l.objid::int8 END
        FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.classid = $1::oid AND l.objid = $2::oid AND l.objsubid = 1 AND l.mode = 'ExclusiveLock' OR l.classid = $3::oid AND l.objsubid = 2)
        """

    /// - Returns: `nil` if no session leads.
    init?(_ rows: [Row]) {
        guard let lead = rows.first(where: { $0.termStart == nil }) else { return nil }
        // A former term of the session can still be there for a moment.
        let start = rows.lazy.filter { $0.processID == lead.processID }.compactMap(\.termStart).max()
        self.init(
            name: lead.applicationName ?? "",
            since: start.map { Date(timeIntervalSince1970: Double($0)) },
            processID: lead.processID
        )
    }
}
