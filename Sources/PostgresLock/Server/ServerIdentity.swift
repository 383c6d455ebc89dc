package import LibPQ

/// Which cluster a server belongs to, and its timeline, which grows with each promotion, as far as the server says.
package struct ServerIdentity: Hashable, Sendable {
    package let system: String?
    package let timeline: UInt32?
    /// Up to where its log is on the disk. A crash may undo what comes after it.
    package let flushed: UInt64?
    /// When the server was started, in UTC, with microseconds. It tells servers apart that have copies of the same data.
    package let started: String?

    init(system: String?, timeline: UInt32?, flushed: UInt64? = nil, started: String? = nil) {
        self.system = system
        self.timeline = timeline
        self.flushed = flushed
        self.started = started
    }

    /// The time of the server's start as text that does not depend on settings.
    package static let startedSQL = """
        pg_catalog.to_char(pg_catalog.timezone('UTC', pg_catalog.pg_postmaster_start_time()), 'YYYY-MM-DD HH24:MI:SS.US')
        """

    /// The timeline of the control file is that of the last checkpoint, and still the former one right after a promotion.
    private static let questions = [
        "SELECT system_identifier FROM pg_catalog.pg_control_system()",
        "SELECT pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)",
        "SELECT pg_catalog.pg_current_wal_flush_lsn()",
        "SELECT \(startedSQL)",
    ]

    /// Asks a primary.
    ///
    /// - Parameters:
    ///   - known: The answers so far. A question that was refused before is not asked again, since every refusal is an error in the
    ///     server's log.
    ///   - isAlone: Whether the question is sent as the statements are that take locks, to see that the session's own process answers it.
    package init(of session: BlockingSession, known: ServerIdentity? = nil, isAlone: Bool = false) throws(ConnectionFailure) {
        let isAsked =
            known.map { [$0.system != nil, $0.timeline != nil, $0.flushed != nil, $0.started != nil] } ?? Self.questions.map { _ in true }
        let asked = Self.questions.indices.filter { isAsked[$0] }
        var answers = try Self.ask(session, asked, isAlone: isAlone)
        if answers.isEmpty, known == nil {
            for index in asked { answers.merge(try Self.ask(session, [index])) { $1 } }
        }
        system = answers[0]
        timeline = answers[1].flatMap { UInt32($0, radix: 16) }
        flushed = answers[2].flatMap { UInt64(logLocation: $0) }
        started = answers[3]
    }

    /// Whether `other` may be the same cluster before a promotion.
    func isOlder(_ other: ServerIdentity) -> Bool {
        guard let timeline, let theirs = other.timeline else { return false }
        return (system == nil || other.system == nil || system == other.system) && theirs < timeline
    }

    /// - Returns: The answers; none if one of the questions is refused, as hosted services may do.
    private static func ask(_ session: BlockingSession, _ asked: [Int], isAlone: Bool = false) throws(ConnectionFailure) -> [Int: String] {
        guard !asked.isEmpty else { return [:] }
        let sql = "SELECT " + (["pg_catalog.pg_backend_pid()"] + asked.map { "(\(questions[$0]))" }).joined(separator: ", ")
        do throws(ConnectionFailure) {
            let result = isAlone ? try session.askAlone(sql) : try session.ask(sql)
            guard result.rowCount == 1 else { return [:] }
            if isAlone { try RoutingCheck.check(result.text(row: 0, column: 0), session) }
            let pairs = asked.enumerated().compactMap { column, index in result.text(row: 0, column: column + 1).map { (index, $0) } }
            return Dictionary(uniqueKeysWithValues: pairs)
        } catch {
            guard error.kind == .refused else { throw error }
            // A standby, where another statement may have been sent, refuses questions about the log.
            if isAlone { try RoutingCheck.run(session) }
            return [:]
        }
    }

    /// Why `other` can't be the same server, if it can't.
    func difference(from other: ServerIdentity) -> ConnectionFailure? {
        if let system, let theirs = other.system, system != theirs {
            return ConnectionFailure(
                .anotherServer,
                "This is another server than the first time: its system identifier is \(theirs), and was \(system)."
            )
        }
        if let timeline, let theirs = other.timeline, theirs < timeline {
            return ConnectionFailure(
                .anotherServer,
                """
                This server is not the one that was promoted: its timeline is \(theirs), and a server with the timeline \(timeline) was seen.
                """
            )
        }
        return nil
    }

    /// This identity with the newer answers of `other`.
    func updated(by other: ServerIdentity) -> ServerIdentity {
        ServerIdentity(
            system: system ?? other.system,
            timeline: other.timeline ?? timeline,
            flushed: other.flushed ?? flushed,
            started: other.started ?? started
        )
    }
}
