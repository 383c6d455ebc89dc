package import LibPQ

/// Finds out whether a pooler resets its sessions between clients. If it does not, locks or settings of a client that has gone stay in a session of
/// the pool.
package struct ResetCheck {
    private static let attempts = 20
    private static let trials = 3
    /// How many further sessions each trial examines at most.
    private static let candidates = 8
    private static let setting = "swift_postgres_lock.left"

    package enum Outcome: Sendable {
        case isReset
        /// Settings stay, and so do prepared statements and the like.
        case keepsSettings
        /// Locks stay, and everything else.
        case keepsLocks
    }

    private let session: BlockingSession
    private let openAnother: () throws(ConnectionFailure) -> BlockingSession

    /// - Parameter openAnother: Opens a further session on the same server.
    package init(_ session: BlockingSession, openAnother: @escaping () throws(ConnectionFailure) -> BlockingSession) {
        self.session = session
        self.openAnother = openAnother
    }

    package func run() throws(ConnectionFailure) -> Outcome {
        for _ in 0..<Self.trials {
            let key = Int64.random(in: .min ... .max)
            let process = try leave(key)
            // A lock that stays can't be released, since another client may have that session. The key is random, so the lock does no harm.
            guard try comesFree(key) else { return .keepsLocks }
            if try isDiscarded(key, process) { return .isReset }
            if let keepsSettings = try keepsSettings(key, process) { return keepsSettings ? .keepsSettings : .isReset }
        }
        // Not known, so the worse is assumed: settings would get to other clients.
        return .keepsSettings
    }

    /// Whether the session that was left is seen to have been reset: its last statement has discarded everything, also the name that was set.
    private func isDiscarded(_ key: Int64, _ process: String?) throws(ConnectionFailure) -> Bool {
        let result = try session.ask(
            """
            SELECT a.query OPERATOR(pg_catalog.~~*) 'DISCARD ALL%' AND a.application_name OPERATOR(pg_catalog.<>) '\(Self.name(key))'
            FROM pg_catalog.pg_stat_get_activity(\(process ?? "0")) a
            """
        )
        return result.text(row: 0, column: 0) == "t"
    }

    private static func name(_ key: Int64) -> String { "pglock reset check \(key)" }

    private func comesFree(_ key: Int64) throws(ConnectionFailure) -> Bool {
        for _ in 0..<Self.attempts {
            let tried = try session.ask("SELECT pg_catalog.pg_try_advisory_lock(\(key))")
            if tried.text(row: 0, column: 0) == "t" {
                _ = try session.ask("SELECT pg_catalog.pg_advisory_unlock(\(key))")
                return true
            }
            // The server waits, and not this thread, whose attempt may be abandoned meanwhile.
            _ = try session.ask("SELECT pg_catalog.pg_sleep(0.1)")
        }
        return false
    }

    /// Opens a session and closes it, with a lock and a setting in it.
    ///
    /// - Returns: The session's server process.
    private func leave(_ key: Int64) throws(ConnectionFailure) -> String? {
        let result = try openAnother().ask(
            """
            SELECT pg_catalog.pg_try_advisory_lock(\(key)), pg_catalog.set_config('\(Self.setting)', '\(key)', false),
                pg_catalog.pg_backend_pid(), pg_catalog.set_config('application_name', '\(Self.name(key))', false)
            """
        )
        return result.text(row: 0, column: 2)
    }

    /// Opens sessions, and keeps them, until one has that server process: a pool may give out its sessions in turn, and has other clients.
    ///
    /// - Returns: Whether the setting is still there; `nil` if no session has the process.
    private func keepsSettings(_ key: Int64, _ process: String?) throws(ConnectionFailure) -> Bool? {
        var taken: [BlockingSession] = []
        defer { withExtendedLifetime(taken) {} }
        for _ in 0..<Self.candidates {
            guard let next = try? openAnother() else { break }
            taken.append(next)
            // A pool without a free session lets its client wait.
            let asked = "SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('\(Self.setting)', true)"
            guard let result = try next.ask(asked, within: .seconds(1)) else { break }
            guard result.text(row: 0, column: 0) == process else { continue }
            guard result.text(row: 0, column: 1) == "\(key)" else { return false }
            _ = try next.ask("SELECT pg_catalog.set_config('\(Self.setting)', NULL, false)")
            return true
        }
        return nil
    }
}
