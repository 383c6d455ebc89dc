import LibPQ

/// The settings of our sessions, as SQL.
package struct SessionSettings: Sendable {
    private let lease: Int32
    private var staysInPool = false

    /// - Parameter lease: After how long of silence the server ends the session; `nil` for never.
    package init(lease: Duration? = nil) {
        self.lease = lease.map { max(1, $0.whole(.milliseconds(1))) } ?? 0
    }

    /// The settings for sessions that a pooler passes on to other clients without a reset, also after a process was killed.
    ///
    /// They leave out what would end another client's session, or run its statements as another role or at another isolation level. Time limits
    /// are off, including those of silence.
    package func staying(_ staysInPool: Bool) -> SessionSettings {
        var settings = self
        settings.staysInPool = staysInPool
        return settings
    }

    /// Settings of the role, the database or the server must not end waits, nor sessions that hold something, except those that are silent for the
    /// lease: outside of transactions, inside of them, and when the client does not take what it is sent (which the server notices over TCP only).
    /// Values have the format that `ColumnDecodable` reads; of dates only the style is set, not the order of day and month in parameters.
    /// Warnings that announce the end of the session are sent.
    ///
    /// The condition leaves out settings that the server does not know. Unlike start-up options, the statement works through poolers. (A join with
    /// `pg_settings` does the same in six times the time.)
    package var general: String { general(isLocal: false) }

    /// The same until the end of the transaction, for poolers of transactions: other clients are not affected.
    package var generalInTransaction: String { general(isLocal: true) }

    private func general(isLocal: Bool) -> String {
        var wanted = [
            ("statement_timeout", "0"), ("lock_timeout", "0"), ("transaction_timeout", "0"), ("DateStyle", "ISO"),
            ("IntervalStyle", "postgres"), ("bytea_output", "hex"), ("extra_float_digits", "1"), ("client_min_messages", "notice"),
            ("exit_on_error", "off"),
        ]
        // Without a lease the limits are 0, so that those of the role do not end the session.
        let silence = staysInPool ? 0 : lease
        wanted += [("idle_session_timeout", "\(silence)"), ("idle_in_transaction_session_timeout", "\(silence)")]
        if !staysInPool { wanted.append(("tcp_user_timeout", "\(lease)")) }
        return """
            SELECT pg_catalog.set_config(wanted.name, wanted.value, \(isLocal))
            FROM (VALUES \(wanted.map { "('\($0.0)', '\($0.1)')" }.joined(separator: ", "))) wanted (name, value)
            WHERE pg_catalog.current_setting(wanted.name, true) IS NOT NULL
            """
    }

    /// The settings that our own statements run with, and the bodies of transactions and explicit sessions do not.
    ///
    /// If `ALTER ROLE … SET role` gives the session another role, that may not see what the sessions of the role that has logged in do, nor cancel
    /// their waits. In a transaction that is serializable, read only and deferrable, every statement may wait.
    private static let own = [
        ("role", "none"), ("default_transaction_isolation", "read committed"), ("default_transaction_deferrable", "off"),
    ]

    private static func setting(_ settings: [(name: String, value: String?)]) -> String {
        "SELECT " + settings.map { setting($0.name, $0.value) }.joined(separator: ", ")
    }

    /// - Parameter value: `nil` for the one that the session began with.
    private static func setting(_ name: String, _ value: String?) -> String {
        "pg_catalog.set_config('\(name)', \(value.map(literal) ?? "NULL"), false)"
    }

    /// In the form that means the same whatever `standard_conforming_strings` is.
    private static func literal(_ text: String) -> String {
        "E'" + text.replacing("\\", with: "\\\\").replacing("'", with: "''") + "'"
    }

    /// What a client says as it connects. A pooler sets it in a session that began without it, and `DISCARD ALL` takes it away there.
    package static let ofClient = ["application_name", "client_encoding", "TimeZone", "search_path"]

    /// Sets what our own statements run with, and finds out which settings `DISCARD ALL` would change. Returns one row, for ``differences(_:)``
    /// and ``lostByReset(_:_:)``.
    ///
    /// - Parameter ofClient: The session's settings of those names, as far as the server has said them.
    func takeOver(_ ofClient: [(name: String, value: String)]) -> String {
        let own = staysInPool ? [] : Self.own.map { Self.setting($0.0, nil) } + Self.own.map { Self.setting($0.0, $0.1) }
        let lost = ofClient.map { name, value in
            "CASE WHEN \(Self.setting(name, nil)) OPERATOR(pg_catalog.<>) \(Self.literal(value)) THEN \(Self.setting(name, value)) END"
        }
        return "SELECT " + (own + lost).joined(separator: ", ")
    }

    /// - Returns: The names of the settings that the role or the database has other values for.
    func differences(_ result: QueryResult) -> [String] {
        guard !staysInPool else { return [] }
        guard result.rowCount == 1, result.columnCount >= Self.own.count * 2 else { return Self.own.map(\.0) }
        return Self.own.indices.filter { result.text(row: 0, column: $0) != Self.own[$0].1 }.map { Self.own[$0].0 }
    }

    /// - Returns: The settings of the client that `DISCARD ALL` takes away, with their values.
    func lostByReset(_ result: QueryResult, _ ofClient: [(name: String, value: String)]) -> [String: String] {
        let first = staysInPool ? 0 : Self.own.count * 2
        guard result.rowCount == 1, result.columnCount == first + ofClient.count else { return [:] }
        let lost = ofClient.enumerated().filter { result.text(row: 0, column: first + $0.offset) != nil }.map(\.element)
        return Dictionary(lost, uniquingKeysWith: { $1 })
    }

    /// Gives the session the settings that its role or database has: ``RawConnection/Session/roleSettings``. `nil` if there are none.
    package static func restoring(_ names: [String]) -> String? {
        names.isEmpty ? nil : setting(names.map { ($0, nil) })
    }

    /// If transactions are serializable, read only and deferrable by default, every statement that takes a snapshot waits for transactions of other
    /// sessions. A command like this one takes none.
    package static let doesNotDefer = "SET default_transaction_deferrable = off"

    /// Whether transactions may be deferrable with these settings of the role.
    package static func mayDefer(_ names: [String]) -> Bool { names.contains("default_transaction_deferrable") }

    /// Makes the server notice during a wait that the client is gone. Some platforms refuse it.
    package static let clientCheck = """
        SELECT pg_catalog.set_config('client_connection_check_interval', '2s', false)
        WHERE pg_catalog.current_setting('client_connection_check_interval', true) IS NOT NULL
        """

    /// Undoes what the SQL of a transaction or an explicit session may have left in the session: settings, roles, temporary tables, cursors, prepared
    /// statements, listening, advisory locks. Each is sent as a statement of its own, outside of a transaction. If any but ``clientCheck`` fails,
    /// the session is not as good as new.
    ///
    /// It also undoes our own settings, which are set again, and drops our prepared statements: so no statement on a checked-out session is
    /// prepared under a name.
    ///
    /// - Parameters:
    ///   - mayDefer: Whether the session may have deferrable transactions.
    ///   - ofClient: What the client has said as it connected and `DISCARD ALL` takes away: ``RawConnection/Session/clientSettings``.
    package func reset(mayDefer: Bool, ofClient: [String: String] = [:]) -> [String] {
        // `DISCARD ALL` takes a snapshot, and restores the settings of the role.
        let prompt = mayDefer ? [Self.doesNotDefer] : []
        let own = staysInPool ? ["RESET ROLE"] : prompt + [Self.setting(Self.own.map { ($0.0, $0.1) })]
        let client = ofClient.isEmpty ? [] : [Self.setting(ofClient.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })]
        return prompt + ["DISCARD ALL"] + own + client + [general, Self.clientCheck]
    }
}
