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
    var lock: String { "SELECT \(lockFunction(noWait: false))(\(arguments))" }

    var tryLock: String { "SELECT \(lockFunction(noWait: true))(\(arguments))" }

    var unlock: String { "SELECT pg_catalog.pg_advisory_unlock\(suffix)(\(arguments))" }

    private func lockFunction(noWait: Bool) -> String {
        "pg_catalog.pg_\(noWait ? "try_" : "")advisory_\(scope == .transaction ? "xact_" : "")lock\(suffix)"
    }

    private var suffix: String { mode == .shared ? "_shared" : "" }

    private var arguments: String {
        switch key.space {
        case .int8: "\(key.bits)"
        case .int4Pair: "\(key.pair.first), \(key.pair.second)"
        }
    }

    // MARK: Waiting

    /// A wait that leaves nothing of itself if it is not granted, and how it has ended.
    struct Wait {
        /// What the exception clause knows them by.
        enum Ending: String, CaseIterable {
            case granted
            case timedOut = "55P03"
            case deadlocked = "40P01"
            case cancelled = "57014"
        }

        fileprivate static let outcome = "swift_postgres_lock.outcome"
        fileprivate static let request = "swift_postgres_lock.wait"

        /// Tells it from an earlier one, of which another session may know that the connection strays to.
        fileprivate let id: String
        /// Tells the session what to wait for. Returns true.
        let request: String
        /// Waits for what was requested.
        let sql: String

        func hasEnded(by ending: Ending) -> String {
            """
            SELECT (pg_catalog.current_setting('\(Self.outcome)', true) OPERATOR(pg_catalog.=) '\(id) \(ending.rawValue)') IS TRUE
            """
        }
    }

    /// Waits for the lock such that nothing of it remains if it is not granted.
    ///
    /// Two statements. The numbers are in the first one, whose constants `pg_stat_statements` replaces; the second has the same text
    /// for every key, so there is one entry for all waits.
    ///
    /// - Parameter milliseconds: How long; 0 is without limit.
    func wait(atMost milliseconds: Int32) -> Wait {
        let id = Self.uniqueID()
        let numbers = key.space == .int8 ? ["\(key.bits)", "0"] : ["\(key.pair.first)", "\(key.pair.second)"]
        let values = [id, "\(milliseconds)"] + numbers + ["\(key.shown.high)", "\(key.shown.low)"]
        let request = """
            SELECT pg_catalog.set_config('\(Wait.request)', '\(values.joined(separator: " "))', false) IS NOT NULL
            """
        return Wait(id: id, request: request, sql: waitForRequested)
    }

    /// The exception clause makes it a subtransaction: a timeout, a deadlock or a cancel does not abort the transaction around
    /// it, and settings are as before. A session's lock is not undone by that. It may have been granted in the very moment
    /// in which the wait failed, so it is released if it is there. It can't be an older one: with that the session would not
    /// have had to wait. `pg_locks` is asked because an unlock of what is not held is a warning in the server's log; that can take
    /// long where very many locks are held, so a further cancel may come meanwhile, after which it begins anew.
    ///
    /// A request is used once: a session that the connection strays to has none, and waits for nothing.
    private var waitForRequested: String {
        let arguments =
            key.space == .int8 ? "wanted[3]::pg_catalog.int8" : "wanted[3]::pg_catalog.int4, wanted[4]::pg_catalog.int4"
        let isHeld = isHeldExpression(high: "wanted[5]::pg_catalog.oid", low: "wanted[6]::pg_catalog.oid")
        let putBack = "IF \(isHeld) THEN PERFORM pg_catalog.pg_advisory_unlock\(suffix)(\(arguments)); END IF;"
        return """
            DO $pglock$
            DECLARE
                wanted pg_catalog.text[] := pg_catalog.string_to_array(pg_catalog.current_setting('\(Wait.request)', true), ' ');
                previous pg_catalog.text := pg_catalog.current_setting('lock_timeout');
                ending pg_catalog.text;
            BEGIN
                PERFORM pg_catalog.set_config('\(Wait.request)', '', false);
                PERFORM pg_catalog.set_config('\(Wait.outcome)', pg_catalog.concat(wanted[1], ' \(Wait.Ending.granted)'), false);
                PERFORM pg_catalog.set_config('lock_timeout', wanted[2], true);
                PERFORM \(lockFunction(noWait: false))(\(arguments));
                PERFORM pg_catalog.set_config('lock_timeout', previous, true);
            EXCEPTION WHEN lock_not_available OR deadlock_detected OR query_canceled THEN
                ending := pg_catalog.concat(wanted[1], ' ', SQLSTATE);
                LOOP
                    BEGIN
                        \(scope == .session ? putBack : "")
                        PERFORM pg_catalog.set_config('\(Wait.request)', '', false);
                        PERFORM pg_catalog.set_config('\(Wait.outcome)', ending, false);
                        EXIT;
                    EXCEPTION WHEN query_canceled THEN
                    END;
                END LOOP;
            END
            $pglock$
            """
    }

    private static func uniqueID() -> String {
        String(UInt64.random(in: .min ... .max), radix: 16)
    }

    // MARK: State

    /// Whether the session holds the lock, by whatever means.
    var isHeld: String { "SELECT \(isHeldExpression)" }

    /// Releases the lock if the session holds it; NULL if not.
    var unlockIfHeld: String {
        "SELECT CASE WHEN \(isHeldExpression) THEN pg_catalog.pg_advisory_unlock\(suffix)(\(arguments)) END"
    }

    private var isHeldExpression: String {
        isHeldExpression(high: "'\(key.shown.high)'", low: "'\(key.shown.low)'")
    }

    /// - Parameters: SQL of the type `oid`, or a literal.
    private func isHeldExpression(high: String, low: String) -> String {
        """
        EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE \(LockStatements.isOwnAdvisoryLock) \
        AND l.classid OPERATOR(pg_catalog.=) \(high) AND l.objid OPERATOR(pg_catalog.=) \(low) \
        AND l.objsubid OPERATOR(pg_catalog.=) \(key.shown.space) \
        AND l.mode OPERATOR(pg_catalog.=) '\(mode == .shared ? "ShareLock" : "ExclusiveLock")')
        """
    }

    /// Something that is set in a transaction, until it ends or is rolled back to before. Outside of one that is at once.
    struct Mark {
        private static let setting = "swift_postgres_lock.marks"

        private let id = uniqueID()

        /// Beside those that are there.
        var set: String {
            let old = "pg_catalog.current_setting('\(Self.setting)', true)"
            return "SELECT pg_catalog.set_config('\(Self.setting)', pg_catalog.concat(\(old), ' \(id)'), true) IS NOT NULL"
        }

        var isSet: String {
            """
            SELECT (pg_catalog.strpos(pg_catalog.current_setting('\(Self.setting)', true), ' \(id)') OPERATOR(pg_catalog.>) 0) IS TRUE
            """
        }
    }
}
