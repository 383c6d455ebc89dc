import LibPQ

/// The settings that our sessions need, as SQL.
package struct SessionSettings: Sendable {
    private let lease: Int32
    private var staysInPool = false

    /// - Parameter lease: After how long of silence the server is to end the session; `nil` for never.
    package init(lease: Duration? = nil) {
        self.lease = lease.map { max(1, $0.whole(.milliseconds(1))) } ?? 0
    }

    /// For sessions that a pooler passes on to other clients as they are, which a process that is killed can't take back: without
    /// what would end another client's session, or let its statements run as another role or at another isolation level. Time limits
    /// are off, those of silence too.
    package func staying(_ staysInPool: Bool) -> SessionSettings {
        var settings = self
        settings.staysInPool = staysInPool
        return settings
    }

    /// Settings of the role, the database or the server must not end waits, nor sessions that hold something, unless they are
    /// silent for the lease: outside transactions, in them, and when the client does not take what it is sent (which the
    /// server can tell over TCP only). Values come in the form that `ColumnDecodable` reads; only the style of dates is set, not
    /// the order of day and month in what is sent. Warnings that announce a session's end come through.
    ///
    /// The condition leaves out what this server does not know, and in contrast to start-up options it passes poolers.
    /// (A join with `pg_settings` does the same, in six times the time.)
    package var general: String { general(isLocal: false) }

    /// The same until the end of the transaction, as a pooler of transactions wants it: no other client gets to see that.
    package var generalInTransaction: String { general(isLocal: true) }

    private func general(isLocal: Bool) -> String {
        var wanted = [
            ("statement_timeout", "0"), ("lock_timeout", "0"), ("transaction_timeout", "0"), ("DateStyle", "ISO"),
            ("IntervalStyle", "postgres"), ("bytea_output", "hex"), ("extra_float_digits", "1"), ("client_min_messages", "notice"),
            ("exit_on_error", "off"),
        ]
        // Those of the role must not end a session either that has no lease.
        let silence = staysInPool ? 0 : lease
        wanted += [("idle_session_timeout", "\(silence)"), ("idle_in_transaction_session_timeout", "\(silence)")]
        if !staysInPool { wanted.append(("tcp_user_timeout", "\(lease)")) }
        return """
            SELECT pg_catalog.set_config(wanted.name, wanted.value, \(isLocal))
            FROM (VALUES \(wanted.map { "('\($0.0)', '\($0.1)')" }.joined(separator: ", "))) wanted (name, value)
            WHERE pg_catalog.current_setting(wanted.name, true) IS NOT NULL
            """
    }

    /// What our own statements run with, and a call that has it checked out's do not.
    ///
    /// A role that `ALTER ROLE … SET role` gives a session may not see what the sessions of the role that has logged in do, nor
    /// end their waits. In a transaction that is serializable, read only and deferrable, every statement may wait.
    private static let own = [
        ("role", "none"), ("default_transaction_isolation", "read committed"), ("default_transaction_deferrable", "off"),
    ]

    private static func setting(_ settings: [(name: String, value: String?)]) -> String {
        let calls = settings.map { name, value in "pg_catalog.set_config('\(name)', \(value.map { "'\($0)'" } ?? "NULL"), false)" }
        return "SELECT " + calls.joined(separator: ", ")
    }

    /// Sets what our own statements run with. Returns one row, for ``differences(_:)``.
    var takeOver: String? {
        guard !staysInPool else { return nil }
        return Self.setting(Self.own.map { ($0.0, nil) } + Self.own.map { ($0.0, $0.1) })
    }

    /// - Returns: The names of the settings that the role or the database has other values for.
    static func differences(_ result: QueryResult) -> [String] {
        guard result.rowCount == 1, result.columnCount == own.count * 2 else { return own.map(\.0) }
        return own.indices.filter { result.text(row: 0, column: $0) != own[$0].1 }.map { own[$0].0 }
    }

    /// Gives a call that has it checked out what its role or database has: ``RawConnection/Session/roleSettings``.
    package static func restoring(_ names: [String]) -> String? {
        names.isEmpty ? nil : setting(names.map { ($0, nil) })
    }

    /// Where transactions are serializable, read only and deferrable by default, every statement that takes a snapshot waits for
    /// transactions of others. A command like this one takes none.
    package static let doesNotDefer = "SET default_transaction_deferrable = off"

    /// Whether the call that has it checked out's transactions may be deferrable.
    package static func mayDefer(_ names: [String]) -> Bool { names.contains("default_transaction_deferrable") }

    /// Lets the server notice, in the middle of a wait, that its client is gone. Some platforms refuse it.
    package static let clientCheck = """
        SELECT pg_catalog.set_config('client_connection_check_interval', '2s', false)
        WHERE pg_catalog.current_setting('client_connection_check_interval', true) IS NOT NULL
        """

    /// Takes back whatever a call that has it checked out's own SQL may have left in the session: settings, roles, temporary tables, cursors,
    /// prepared statements, listening, advisory locks. Each is to be sent as a statement of its own, outside a transaction;
    /// of all but ``clientCheck`` a failure means that the session is not as good as new.
    ///
    /// It takes our own prepared statements and settings, too; hence what follows it, and no statement that is run on a lent
    /// connection has a name.
    ///
    /// - Parameter mayDefer: Whether the session may have deferrable transactions.
    package func reset(mayDefer: Bool) -> [String] {
        // `DISCARD ALL` takes a snapshot, and brings back what the role has.
        let prompt = mayDefer ? [Self.doesNotDefer] : []
        let own = staysInPool ? ["RESET ROLE"] : prompt + [Self.setting(Self.own.map { ($0.0, $0.1) })]
        return prompt + ["DISCARD ALL"] + own + [general, Self.clientCheck]
    }
}
