/// What the check of a history allows while servers fail over. All times are in nanoseconds.
package struct TimelineRules: Equatable, Sendable {
    /// How long two holders may believe in conflicting locks of two servers: until the holder on the server that was replaced has learned of it.
    package let longestOverlap: Int64
    /// How long after its timeout a call may be granted or end.
    package let longestOvershoot: Int64
    /// How long after its last statement a transaction may end: its COMMIT has a limit of its own.
    package let longestCommit: Int64

    package init(longestOverlap: Int64, longestOvershoot: Int64, longestCommit: Int64) {
        self.longestOverlap = longestOverlap
        self.longestOvershoot = longestOvershoot
        self.longestCommit = longestCommit
    }

    /// The documented limits.
    ///
    /// - Parameters:
    ///   - lease: While a manager holds something, it asks all hosts once per lease. A server is waited for no longer than that, either.
    ///   - connect: The limit for asking all hosts, which may have to be asked a second time.
    ///   - statement: The longest statement of a transaction.
    ///   - commit: The limit of a COMMIT.
    ///   - slack: For a busy machine.
    package init(lease: Duration, connect: Duration, statement: Duration, commit: Duration, slack: Duration) {
        self.init(
            longestOverlap: (lease + connect * 2 + slack).nanoseconds,
            longestOvershoot: (lease + slack).nanoseconds,
            longestCommit: (statement + lease + commit + slack).nanoseconds
        )
    }
}

extension Duration {
    fileprivate var nanoseconds: Int64 { Int64(self / .nanoseconds(1)) }
}
