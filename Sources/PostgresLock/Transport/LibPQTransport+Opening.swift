import LibPQ
import LockCore
import Logging

// Opening sessions.
extension LibPQTransport {
    func open(_ id: ConnectionID) {
        let attempt = ConnectAttempt { [weak self, loop] stage, limit in
            loop.submit { [weak self] in
                self?.limitAttempt(id, stage, limit)
            }
        }
        let finish: @Sendable (Result<PreparedSession, ConnectionFailure>) -> Void = { [weak self, loop] result in
            loop.submit { [weak self] in
                self?.finishOpening(id, result)
            }
        }
        let begin: @Sendable (ConnectionParameters) -> Void = { [connector, configuration, logger] parameters in
            connector.connect(
                parameters,
                within: configuration.timeouts.connect,
                attempt: attempt,
                onNotice: { notice in
                    // At debug: most warnings are about what is done on purpose, such as unlocking what may not be held, and every real
                    // failure has an error of its own.
                    logger.debug("server notice", metadata: Logger.Metadata().adding(notice.message, notice.sqlState))
                },
                completion: finish
            )
        }
        attempts[id] = (attempt, nil)
        counts.connectionPeak = max(counts.connectionPeak, connections.count + attempts.count)
        let provider = findParameters { [weak self, loop] parameters in
            loop.submit { [weak self] in self?.providerReturned(id) }
            switch parameters {
            case .success(let parameters): begin(parameters)
            case .failure(let failure): finish(.failure(failure))
            }
        }
        guard let provider else { return }
        attempts[id]?.provider = provider
        loop.submit { [weak self, configuration] in
            // It may have answered already.
            guard self?.attempts[id]?.provider != nil else { return }
            self?.limitAttempt(id, "The credentials provider has not answered", configuration.timeouts.connect)
        }
    }

    private func providerReturned(_ id: ConnectionID) {
        guard attempts[id]?.provider != nil else { return }
        attempts[id]?.provider = nil
        // The provider's limit is over; the attempt may have to wait until others have checked the server.
        onEvent(.opening(id, within: nil, orElse: nil))
    }

    private func limitAttempt(_ id: ConnectionID, _ stage: ConnectAttempt.Stage, _ limit: Duration) {
        // Longer than the attempt's own limit, whose error says more.
        let margin = min(limit / 10, .seconds(1))
        switch stage {
        case .dialing: limitAttempt(id, "The server could not be connected to", limit, margin: margin)
        case .checking: limitAttempt(id, "The server has not answered what it was asked", limit, margin: margin)
        }
    }

    private func limitAttempt(_ id: ConnectionID, _ what: String, _ limit: Duration, margin: Duration = .zero) {
        guard attempts[id] != nil else { return }
        let failure = Failure(.unreachable, "\(what) within \(limit.shown) (timeouts.connect).")
        onEvent(.opening(id, within: limit + margin, orElse: failure))
    }

    /// Ends an attempt whose outcome is not needed any more. A late outcome is ignored.
    func abandonAttempt(_ id: ConnectionID) {
        guard let (attempt, provider) = attempts.removeValue(forKey: id) else { return }
        connector.abandon(attempt)
        if let provider { giveUp(provider) }
    }

    private func finishOpening(_ id: ConnectionID, _ result: Result<PreparedSession, ConnectionFailure>) {
        // If the attempt was abandoned meanwhile, its connection has been closed.
        guard attempts.removeValue(forKey: id) != nil else { return onEvent(.ended(id)) }
        switch result {
        case .success(let prepared):
            let (raw, session) = (prepared.raw, prepared.raw.session)
            if let failure = replaced(by: session.timeline) { return onEvent(.notOpened(id, failure)) }
            if prepared.reset != .isReset { warnOfPooler(session, prepared.reset) }
            if let timeline = prepared.forgottenTimeline { warnOfForgotten(timeline, session) }
            // With several hosts, errors of connecting name each host themselves.
            let isNamed = !session.host.isEmpty && !isSeveralHosts
            logger.debug(
                "connected",
                metadata: [
                    LogKey.connection: "\(id.rawValue)", LogKey.processID: "\(session.processID)", LogKey.database: "\(session.database)",
                ]
            )
            connections[id] = Connection(adopting: raw, on: loop) { [weak self] event in self?.handle(event, of: id) }
            let facts = SessionFacts(
                databaseName: "database \"\(session.database)\"" + (isNamed ? " on \(session.host)" : ""),
                processID: session.processID,
                address: ServerAddress(namespace: session.database, host: session.host, port: session.port),
                lockTableSize: session.lockTableSize,
                hasRoleSettings: SessionSettings.restoring(session.roleSettings) != nil,
                mayDefer: SessionSettings.mayDefer(session.roleSettings)
            )
            onEvent(.opened(id, facts))
        case .failure(let failure):
            onEvent(.notOpened(id, Failure(failure)))
        }
    }

    private func warnOfForgotten(_ timeline: UInt32, _ session: RawConnection.Session) {
        logger.warning(
            """
            a promotion was undone: a primary on timeline \(timeline) was seen, and no server has that timeline any more; the primary that \
            is used now is on timeline \(session.timeline ?? 0); the fencing tokens of the former are greater than those to come
            """,
            metadata: [LogKey.database: "\(session.database)"]
        )
    }

    private func warnOfPooler(_ session: RawConnection.Session, _ reset: ResetCheck.Outcome) {
        let locks = reset == .keepsLocks ? "locks, " : ""
        logger.warning(
            """
            a pooler between this process and the server does not reset its sessions: if a process ends without notice, its \(locks)settings \
            (no time limits for statements and silence, formats of values) and prepared statements stay in a session of the pool until that is \
            closed; therefore the server does not end a session that is silent for the lease; for pgbouncer, set \
            server_reset_query = DISCARD ALL
            """,
            metadata: [LogKey.database: "\(session.database)"]
        )
    }
}
