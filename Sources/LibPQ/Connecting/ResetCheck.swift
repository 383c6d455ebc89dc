/// Finds out whether a pooler of sessions resets them between clients. If not, the lock of a client that has gone stays with a
/// session in the pool.
package struct ResetCheck {
    private static let attempts = 20

    private let session: BlockingSession
    private let openAnother: () throws(ConnectionFailure) -> BlockingSession

    /// - Parameter openAnother: Makes a further session on the same server, for a moment.
    package init(_ session: BlockingSession, openAnother: @escaping () throws(ConnectionFailure) -> BlockingSession) {
        self.session = session
        self.openAnother = openAnother
    }

    package func isReset() throws(ConnectionFailure) -> Bool {
        let key = Int64.random(in: .min ... .max)
        try leave(key)
        for _ in 0..<Self.attempts {
            let tried = try session.query("SELECT pg_catalog.pg_try_advisory_lock(\(key))")
            if tried.text(row: 0, column: 0) == "t" {
                _ = try session.query("SELECT pg_catalog.pg_advisory_unlock(\(key))")
                return true
            }
            // The server is to wait, not a thread of somebody's who may give up meanwhile.
            _ = try session.query("SELECT pg_catalog.pg_sleep(0.1)")
        }
        // Only that session could release it, and it may be somebody else's by now. Nobody else will ever ask for such a key.
        return false
    }

    /// A client goes, and leaves a lock behind.
    private func leave(_ key: Int64) throws(ConnectionFailure) {
        _ = try openAnother().query("SELECT pg_catalog.pg_try_advisory_lock(\(key))")
    }
}
