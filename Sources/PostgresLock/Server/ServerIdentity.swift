package import LibPQ

/// Which cluster this is, and after how many promotions, as far as the server tells.
package struct ServerIdentity: Hashable, Sendable {
    package let system: String?
    package let timeline: UInt32?
    /// Up to where its log is on the disk. What was beyond that, a crash may take back.
    package let flushed: UInt64?

    init(system: String?, timeline: UInt32?, flushed: UInt64? = nil) {
        self.system = system
        self.timeline = timeline
        self.flushed = flushed
    }

    /// The control file's own timeline is that of the last checkpoint, and lags behind a promotion.
    private static let questions = [
        "SELECT system_identifier FROM pg_catalog.pg_control_system()",
        "SELECT pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)",
        "SELECT pg_catalog.pg_current_wal_flush_lsn()",
    ]

    /// Asks a primary.
    ///
    /// - Parameter known: What was told before. What was not is not asked again, since every refusal is an error in the
    ///   server's log.
    package init(of session: BlockingSession, known: ServerIdentity? = nil) throws(ConnectionFailure) {
        let isAsked = known.map { [$0.system != nil, $0.timeline != nil, $0.flushed != nil] } ?? [true, true, true]
        let asked = Self.questions.indices.filter { isAsked[$0] }
        var answers = try Self.ask(session, asked)
        if answers.isEmpty, known == nil {
            for index in asked { answers.merge(try Self.ask(session, [index])) { $1 } }
        }
        system = answers[0]
        timeline = answers[1].flatMap { UInt32($0, radix: 16) }
        flushed = answers[2].flatMap(Self.position)
    }

    private static func position(_ text: String) -> UInt64? {
        let halves = text.split(separator: "/")
        guard halves.count == 2, let upper = UInt64(halves[0], radix: 16), let lower = UInt64(halves[1], radix: 16) else { return nil }
        return upper << 32 | lower
    }

    /// Whether that one is the same server before a promotion.
    func isOlder(_ other: ServerIdentity) -> Bool {
        guard let timeline, let theirs = other.timeline else { return false }
        return (system == nil || other.system == nil || system == other.system) && theirs < timeline
    }

    /// - Returns: The answers, unless one of them is refused: services may keep such things to themselves.
    private static func ask(_ session: BlockingSession, _ asked: [Int]) throws(ConnectionFailure) -> [Int: String] {
        guard !asked.isEmpty else { return [:] }
        do throws(ConnectionFailure) {
            let result = try session.ask("SELECT " + asked.map { "(\(questions[$0]))" }.joined(separator: ", "))
            guard result.rowCount == 1 else { return [:] }
            let pairs = asked.enumerated().compactMap { column, index in result.text(row: 0, column: column).map { (index, $0) } }
            return Dictionary(uniqueKeysWithValues: pairs)
        } catch {
            guard error.kind == .refused else { throw error }
            return [:]
        }
    }

    /// Why that one can't be the same server as this one was, if it can't.
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
                This server is not the one that was promoted: its timeline is \(theirs), and there was one with the timeline \
                \(timeline).
                """
            )
        }
        return nil
    }

    /// What is known of it with what that one says; a promotion raises the timeline.
    func updated(by other: ServerIdentity) -> ServerIdentity {
        ServerIdentity(system: system ?? other.system, timeline: other.timeline ?? timeline, flushed: other.flushed ?? flushed)
    }
}
