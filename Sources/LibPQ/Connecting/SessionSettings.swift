/// The settings that our sessions need, as SQL.
package struct SessionSettings: Sendable {
    private let lease: Int64

    /// - Parameter lease: After how long of silence the server is to end the session; `nil` for never.
    package init(lease: Duration? = nil) {
        self.lease = lease.map { max(1, Int64($0 / .milliseconds(1))) } ?? 0
    }

    /// Settings of the role, the database or the server must not end waits, nor sessions that hold something, unless they are
    /// silent for the lease: outside transactions, in them, and when the client does not take what it is sent (which the
    /// server can tell over TCP only).
    ///
    /// The condition leaves out what this server does not know, and in contrast to start-up options it passes poolers.
    /// (A join with `pg_settings` does the same, in six times the time.)
    package var timeouts: String { timeouts(isLocal: false) }

    /// The same until the end of the transaction, as a pooler of transactions wants it: no other client gets to see that.
    package var transactionTimeouts: String { timeouts(isLocal: true) }

    private func timeouts(isLocal: Bool) -> String {
        """
        SELECT pg_catalog.set_config(wanted.name, wanted.value, \(isLocal))
        FROM (VALUES ('statement_timeout', '0'), ('lock_timeout', '0'), ('transaction_timeout', '0'),
            ('idle_session_timeout', '\(lease)'), ('idle_in_transaction_session_timeout', '\(lease)'),
            ('tcp_user_timeout', '\(lease)')) wanted (name, value)
        WHERE pg_catalog.current_setting(wanted.name, true) IS NOT NULL
        """
    }

    /// Lets the server notice, in the middle of a wait, that its client is gone. Some platforms refuse it.
    package static let clientCheck = """
        SELECT pg_catalog.set_config('client_connection_check_interval', '2s', false)
        WHERE pg_catalog.current_setting('client_connection_check_interval', true) IS NOT NULL
        """

    /// Takes back whatever a borrower's own SQL may have left in the session: settings, roles, temporary tables, cursors,
    /// prepared statements, listening, advisory locks. Each is to be sent as a statement of its own, outside a transaction;
    /// of all but ``clientCheck`` a failure means that the session is not as good as new.
    ///
    /// It takes our own prepared statements and settings, too; hence the last two, and no statement that is run on a lent
    /// connection has a name.
    package var reset: [String] { ["DISCARD ALL", "RESET ROLE", timeouts, Self.clientCheck] }
}
