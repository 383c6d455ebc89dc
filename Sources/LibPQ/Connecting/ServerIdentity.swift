/// Which cluster this is, and after how many promotions, as far as the server tells.
package struct ServerIdentity: Hashable, Sendable {
    package let system: String?
    package let timeline: UInt32?

    init(system: String?, timeline: UInt32?) {
        self.system = system
        self.timeline = timeline
    }

    /// Asks a primary.
    package init(of session: BlockingSession) throws(ConnectionFailure) {
        system = try Self.ask(session, "SELECT system_identifier FROM pg_catalog.pg_control_system()")
        // The control file's own timeline is that of the last checkpoint, and lags behind a promotion.
        timeline = try Self.ask(
            session,
            "SELECT pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)"
        ).flatMap { UInt32($0, radix: 16) }
    }

    /// Services may keep it to themselves.
    private static func ask(_ session: BlockingSession, _ sql: String) throws(ConnectionFailure) -> String? {
        do throws(ConnectionFailure) {
            let result = try session.query(sql)
            return result.rowCount == 1 ? result.text(row: 0, column: 0) : nil
        } catch {
            guard error.kind == .refused else { throw error }
            return nil
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
        ServerIdentity(system: system ?? other.system, timeline: other.timeline ?? timeline)
    }
}
