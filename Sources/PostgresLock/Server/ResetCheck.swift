package import LibPQ

/// Finds out whether a pooler of sessions resets them between clients. If not, the lock of a client that has gone stays with a
/// session in the pool, or its settings do.
package struct ResetCheck {
    private static let attempts = 20
    private static let trials = 3
    /// At how many further sessions each looks at most.
    private static let candidates = 8
    private static let setting = "swift_postgres_lock.left"

    package enum Outcome: Sendable {
        case isReset
        /// Settings stay, and with them prepared statements and the like.
        case keepsSettings
        /// Locks stay, and everything else.
        case keepsLocks
    }

    private let session: BlockingSession
    private let openAnother: () throws(ConnectionFailure) -> BlockingSession

    /// - Parameter openAnother: Makes a further session on the same server, for a moment.
    package init(_ session: BlockingSession, openAnother: @escaping () throws(ConnectionFailure) -> BlockingSession) {
        self.session = session
        self.openAnother = openAnother
    }

    package func run() throws(ConnectionFailure) -> Outcome {
        for _ in 0..<Self.trials {
            let key = Int64.random(in: .min ... .max)
            let process = try leave(key)
            // Only that session could release it, and it may be somebody else's by now. Nobody else will ever ask for such a key.
            guard try comesFree(key) else { return .keepsLocks }
            if let keepsSettings = try keepsSettings(key, process) { return keepsSettings ? .keepsSettings : .isReset }
        }
        // The worse is taken to be so: what stays is somebody else's.
        return .keepsSettings
    }

    private func comesFree(_ key: Int64) throws(ConnectionFailure) -> Bool {
        for _ in 0..<Self.attempts {
            let tried = try session.ask("SELECT pg_catalog.pg_try_advisory_lock(\(key))")
            if tried.text(row: 0, column: 0) == "t" {
                _ = try session.ask("SELECT pg_catalog.pg_advisory_unlock(\(key))")
                return true
            }
            // The server is to wait, not a thread of somebody's who may give up meanwhile.
            _ = try session.ask("SELECT pg_catalog.pg_sleep(0.1)")
        }
        return false
    }

    /// A client goes, and leaves a lock behind, and a setting that nothing else knows.
    private func leave(_ key: Int64) throws(ConnectionFailure) -> String? {
        let result = try openAnother().ask(
            """
            SELECT pg_catalog.pg_try_advisory_lock(\(key)), pg_catalog.set_config('\(Self.setting)', '\(key)', false),
                pg_catalog.pg_backend_pid()
            """
        )
        return result.text(row: 0, column: 2)
    }

    /// Most pools lend out first what has come back last, but other clients come and go in between, or it goes by turns. So sessions
    /// are taken, and kept meanwhile, until that one comes again.
    ///
    /// - Returns: `nil` if it does not.
    private func keepsSettings(_ key: Int64, _ process: String?) throws(ConnectionFailure) -> Bool? {
        var taken: [BlockingSession] = []
        defer { withExtendedLifetime(taken) {} }
        for _ in 0..<Self.candidates {
            guard let next = try? openAnother() else { break }
            taken.append(next)
            // A pool that has no more lets its client wait.
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
