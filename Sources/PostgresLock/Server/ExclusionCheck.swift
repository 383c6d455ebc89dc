package import LibPQ

/// Refuses servers whose advisory locks do not exclude: some servers that speak PostgreSQL's protocol grant a lock to every session, and behind one
/// address there may be several servers.
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
        guard !isGrantedTwice else { throw try whyGrantedTwice(first, second) }
        guard isGranted, isReleased, isFreeAgain else {
            throw ConnectionFailure(
                .locksDoNotExclude,
                "The server's advisory locks don't work: a free one is not granted, or one that is held not released."
            )
        }
    }

    private static func ask(_ session: BlockingSession, _ function: String, _ key: Int64) throws(ConnectionFailure) -> Bool {
        try session.query("SELECT pg_catalog.pg_\(function)(\(key))").text(row: 0, column: 0) == "t"
    }

    private static func whyGrantedTwice(
        _ first: BlockingSession,
        _ second: BlockingSession
    ) throws(ConnectionFailure) -> ConnectionFailure {
        if try second.ask("SELECT pg_catalog.pg_is_in_recovery()").text(row: 0, column: 0) == "t" {
            return ConnectionFailure(
                .standby,
                "A second connection to the same address has led to a standby (pg_is_in_recovery), whose locks are not those of the primary."
            )
        }
        if let difference = try ServerIdentity(of: first).severalServers(ServerIdentity(of: second)) { return difference }
        return ConnectionFailure(.locksDoNotExclude, "The server grants the same exclusive advisory lock to two sessions at a time.")
    }
}

extension ServerIdentity {
    /// That two connections have led to two servers, of which this is one, and `other` the other one; `nil` if that is not so, or not known.
    fileprivate func severalServers(_ other: ServerIdentity) -> ConnectionFailure? {
        let isCopy = system != nil && system == other.system
        guard let started, let theirs = other.started, started != theirs || system != other.system else { return nil }
        return ConnectionFailure(
            .locksDoNotExclude,
            """
            Two connections to the same address have led to two servers\(isCopy ? " with copies of the same data" : ""), and both were granted \
            the same exclusive lock: one server was started at \(started), the other at \(theirs) (UTC).
            """
        )
    }
}
