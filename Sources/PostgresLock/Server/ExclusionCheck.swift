package import LibPQ

/// Refuses servers whose advisory locks do not exclude: some servers that speak PostgreSQL's protocol grant a lock to every session.
package enum ExclusionCheck {
    /// Runs inside transactions, so that a lock and its release go to the same session also through a pooler.
    package static func run(_ first: BlockingSession, _ second: BlockingSession) throws(ConnectionFailure) {
        let key = Int64.random(in: .min ... .max)
        for session in [first, second] { _ = try session.query("BEGIN ISOLATION LEVEL READ COMMITTED") }
        let isGranted = try ask(first, "try_advisory_lock", key)
        let isGrantedTwice = try ask(second, "try_advisory_lock", key)
        let isReleased = try ask(first, "advisory_unlock", key)
        let isFreeAgain = try ask(second, "try_advisory_lock", key)
        // A lock that was granted twice has to be released twice.
        for _ in 0..<(isGrantedTwice ? 2 : 1) { _ = try ask(second, "advisory_unlock", key) }
        for session in [first, second] { _ = try session.query("COMMIT") }
        guard isGranted, !isGrantedTwice, isReleased, isFreeAgain else {
            throw ConnectionFailure(
                .locksDoNotExclude,
                isGrantedTwice
                    ? "The server grants the same exclusive advisory lock to two sessions at a time."
                    : "The server's advisory locks don't work: a free one is not granted, or one that is held not released."
            )
        }
    }

    private static func ask(_ session: BlockingSession, _ function: String, _ key: Int64) throws(ConnectionFailure) -> Bool {
        try session.query("SELECT pg_catalog.pg_\(function)(\(key))").text(row: 0, column: 0) == "t"
    }
}
