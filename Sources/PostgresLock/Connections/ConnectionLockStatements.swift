import LockCore

/// The SQL of one lock on a connection of which nothing more is known than that it runs SQL.
///
/// Without parameters, since drivers differ in those; only numbers go into it. What returns rows returns one Boolean.
struct ConnectionLockStatements {
    private let key: AdvisoryKey
    private let mode: LockMode
    private let scope: LockScope

    init(_ key: AdvisoryKey, _ mode: LockMode, _ scope: LockScope) {
        self.key = key
        self.mode = mode
        self.scope = scope
    }

    // MARK: Plain

    /// Waits in the server's queue. The result is `void`, which some drivers have no type for.
    var lock: String { "SELECT \(lockFunction(isTry: false))(\(arguments))" }

    var tryLock: String { "SELECT \(lockFunction(isTry: true))(\(arguments))" }

    var unlock: String { "SELECT pg_catalog.pg_advisory_unlock\(suffix)(\(arguments))" }

    private func lockFunction(isTry: Bool) -> String {
        "pg_catalog.pg_\(isTry ? "try_" : "")advisory_\(scope == .transaction ? "xact_" : "")lock\(suffix)"
    }

    private var suffix: String { mode == .shared ? "_shared" : "" }

    private var arguments: String {
        switch key.space {
        case .int8: "\(key.bits)"
        case .int4Pair: "\(key.pair.first), \(key.pair.second)"
        }
    }

    // MARK: Waiting

    /// Waits for the lock such that nothing of it remains if it is not granted.
    ///
    /// The exception clause makes it a subtransaction: a timeout, a deadlock or a cancel does not abort the transaction around
    /// it, and settings are as before. A session's lock is not undone by that. It may have been granted in the very moment
    /// in which the wait failed, so it is released if it is there. It can't be an older one: with that the session would not
    /// have had to wait. `pg_locks` is asked because an unlock of what is not held is a warning in the server's log.
    ///
    /// - Parameter milliseconds: How long; 0 is without limit.
    func wait(atMost milliseconds: Int32) -> String {
        let putBack = "IF \(isHeldExpression) THEN PERFORM pg_catalog.pg_advisory_unlock\(suffix)(\(arguments)); END IF;"
        return """
            DO $pglock$
            DECLARE
                previous pg_catalog.text := pg_catalog.current_setting('lock_timeout');
            BEGIN
                PERFORM pg_catalog.set_config('\(Self.outcome)', '\(Self.granted)', false);
                PERFORM pg_catalog.set_config('lock_timeout', '\(milliseconds)', true);
                PERFORM \(lockFunction(isTry: false))(\(arguments));
                PERFORM pg_catalog.set_config('lock_timeout', previous, true);
            EXCEPTION WHEN lock_not_available OR deadlock_detected OR query_canceled THEN
                \(scope == .session ? putBack : "")
                PERFORM pg_catalog.set_config('\(Self.outcome)', SQLSTATE, false);
            END
            $pglock$
            """
    }

    private static let outcome = "swift_postgres_lock.outcome"
    private static let granted = "granted"

    /// Whether the last wait got the lock; NULL if it ended by something else than its timeout.
    static let waitOutcome = """
        SELECT CASE pg_catalog.current_setting('\(outcome)', true) WHEN '\(granted)' THEN true WHEN '55P03' THEN false END
        """

    /// Whether the last wait ended by a deadlock.
    static let hasDeadlocked = "SELECT pg_catalog.current_setting('\(outcome)', true) = '40P01'"

    // MARK: State

    /// Whether the session holds the lock, by whatever means.
    var isHeld: String { "SELECT \(isHeldExpression)" }

    /// Releases the lock if the session holds it; NULL if not.
    var unlockIfHeld: String {
        "SELECT CASE WHEN \(isHeldExpression) THEN pg_catalog.pg_advisory_unlock\(suffix)(\(arguments)) END"
    }

    /// How `pg_locks` shows the key: see `SET_LOCKTAG_INT64` and `SET_LOCKTAG_INT32` in PostgreSQL's `lockfuncs.c`.
    private var isHeldExpression: String {
        let (high, low, space): (UInt32, UInt32, Int) =
            switch key.space {
            case .int8: (UInt32(truncatingIfNeeded: key.bits >> 32), UInt32(truncatingIfNeeded: key.bits), 1)
            case .int4Pair: (UInt32(bitPattern: key.pair.first), UInt32(bitPattern: key.pair.second), 2)
            }
        return """
            EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'advisory' \
            AND l.granted AND l.classid = '\(high)' AND l.objid = '\(low)' AND l.objsubid = \(space) \
            AND l.mode = '\(mode == .shared ? "ShareLock" : "ExclusiveLock")' AND l.database = \
            (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
            """
    }

    /// Set until the transaction ends. Outside of one, that is at once.
    static let markTransaction = "SELECT pg_catalog.set_config('swift_postgres_lock.transaction', 'open', true) = 'open'"

    static let isTransactionMarked = """
        SELECT pg_catalog.current_setting('swift_postgres_lock.transaction', true) IS NOT DISTINCT FROM 'open'
        """
}
