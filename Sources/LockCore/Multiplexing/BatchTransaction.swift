/// One transaction around several rounds of statements.
///
/// At each end of a transaction the server goes through all that the session holds, which with tens of thousands of locks takes longer than
/// everything else. Session locks don't depend on transactions: a lock is taken or released at once, also if the transaction fails.
struct BatchTransaction: Sendable {
    /// For how long it is kept open without use: it keeps the server from cleaning up, and shows in pg_stat_activity.
    private static let longestPause = Duration.milliseconds(50)
    /// For how long it is kept open in any case.
    private static let longest = Duration.milliseconds(500)

    private let since: Instant
    var lastUse: Instant

    init(now: Instant) {
        since = now
        lastUse = now
    }

    /// The first round after this is its last one.
    var limit: Instant { since.advanced(by: Self.longest) }

    /// When it is ended if no round comes before.
    var idleEnd: Instant { lastUse.advanced(by: Self.longestPause) }
}
