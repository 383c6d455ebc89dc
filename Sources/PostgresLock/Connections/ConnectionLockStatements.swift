import LockCore

/// The SQL of one lock on a caller's connection.
///
/// It has no parameters, since drivers differ in those, and contains only numbers and constants. Rows have one Boolean column.
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

    /// Waits in the server's queue. The result has the type `void`, which some drivers can't decode.
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

    /// A wait that leaves no lock if it is not granted.
    struct Wait {
        /// How a wait has ended; the raw values are the SQLSTATEs that the exception clause handles.
        enum Ending: String, CaseIterable {
            case granted
            case timedOut = "55P03"
            case deadlocked = "40P01"
            case cancelled = "57014"
        }

        fileprivate static let outcome = "swift_postgres_lock.outcome"
        fileprivate static let request = "swift_postgres_lock.wait"

        /// Distinguishes the wait from an earlier one that another session may know, if the connection switches sessions.
        fileprivate let id: String
        /// Stores in the session what to wait for. Returns true.
        let request: String
        /// Waits for the stored request.
        let sql: String

        func hasEnded(by ending: Ending) -> String {
            """
            SELECT (pg_catalog.current_setting('\(Self.outcome)', true) OPERATOR(pg_catalog.=) '\(id) \(ending.rawValue)') IS TRUE
            """
        }
    }

    /// Two statements that wait for the lock, and leave none if it is not granted.
    ///
    /// The first one has the numbers, as constants, which `pg_stat_statements` replaces. The second one has the same text for all keys. So
    /// there is one entry for all waits.
    ///
    /// - Parameter milliseconds: The limit; 0 for none.
    func wait(atMost milliseconds: Int32) -> Wait {
        let id = Self.uniqueID()
        let numbers = key.space == .int8 ? ["\(key.bits)", "0"] : ["\(key.pair.first)", "\(key.pair.second)"]
        let values = [id, "\(milliseconds)"] + numbers + ["\(key.shown.high)", "\(key.shown.low)"]
        let request = """
            SELECT pg_catalog.set_config('\(Wait.request)', '\(values.joined(separator: " "))', false) IS NOT NULL
            """
        return Wait(id: id, request: request, sql: waitForRequested)
    }

    /// The exception clause makes the block a subtransaction: a timeout, a deadlock or a cancel request does not abort the transaction
    /// around it, and settings are restored. A session's lock is not undone by that. The lock may have been granted at the moment when the
    /// wait failed, so it is released if the session holds it. It can't be an older one, since the session would not have had to wait
    /// then. `pg_locks` is searched first because an unlock of a lock that is not held is a warning in the server's log. The search takes
    /// long if very many locks are held. If a further cancel request interrupts it, it begins anew.
    ///
    /// A request is used once: another session that the connection switches to has none, and does not wait.
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

    /// Whether the session holds the lock, whether by these statements or by others.
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

    /// A setting that lasts until the end of the transaction, or until a rollback to a savepoint before it. Outside of a transaction it ends
    /// at once.
    struct Mark {
        private static let setting = "swift_postgres_lock.marks"

        private let id = uniqueID()

        /// Adds the mark to those that are set.
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
