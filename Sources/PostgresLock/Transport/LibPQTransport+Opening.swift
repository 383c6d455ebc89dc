import LibPQ
import LockCore
import Logging

// Making connections, and what they lead to.
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
                onNotice: { logger.logNotice($0) },
                completion: finish
            )
        }
        attempts[id] = (attempt, nil)
        counts.connectionPeak = max(counts.connectionPeak, connections.count + attempts.count)
        guard let credentials = configuration.credentials else { return begin(configuration.parameters()) }
        guard let call = overdueProviders.begin() else {
            return finish(.failure(ConnectionFailure(.unreachable, "Earlier calls of the credentials provider have not returned.")))
        }
        let noteReturned = providerReturns(call, for: id)
        // Detached: a provider that blocks must not do so on the loop.
        let task = Task.detached { [configuration] in
            do {
                let answer = try await credentials()
                noteReturned()
                begin(configuration.parameters(answer))
            } catch {
                noteReturned()
                finish(.failure(ConnectionFailure(.unreachable, "The credentials provider failed: \(type(of: error)).")))
            }
        }
        attempts[id]?.provider = (call, task)
        loop.submit { [weak self, configuration] in
            // It may have answered already.
            guard self?.attempts[id]?.provider != nil else { return }
            self?.limitAttempt(id, "The credentials provider has not answered", configuration.timeouts.connect)
        }
    }

    /// - Parameter id: The attempt that it is called for, if it is one to connect.
    /// - Returns: To be called, on any thread, when the call of the credentials provider has returned.
    func providerReturns(_ call: OverdueCalls.ID, for id: ConnectionID? = nil) -> @Sendable () -> Void {
        { [weak self, loop] in
            loop.submit { [weak self] in
                self?.providerReturned(call, id)
            }
        }
    }

    private func providerReturned(_ call: OverdueCalls.ID, _ id: ConnectionID?) {
        overdueProviders.noteReturned(call)
        guard let id, attempts[id] != nil else { return }
        attempts[id]?.provider = nil
        // The provider's limit does not run on while the attempt waits for its turn.
        onEvent(.opening(id, within: nil, orElse: nil))
    }

    private func limitAttempt(_ id: ConnectionID, _ stage: ConnectAttempt.Stage, _ limit: Duration) {
        // The attempt's own end comes first, if it comes, and says more.
        let margin = min(limit / 10, .seconds(1))
        switch stage {
        case .dialing: limitAttempt(id, "The server could not be connected to", limit, margin: margin)
        case .checking: limitAttempt(id, "The server has not answered what it was asked", limit, margin: margin)
        }
    }

    private func limitAttempt(_ id: ConnectionID, _ what: String, _ limit: Duration, margin: Duration = .zero) {
        guard attempts[id] != nil else { return }
        let failure = Failure(.unreachable, "\(what) within \(limit) (timeouts.connect).")
        onEvent(.opening(id, within: limit + margin, orElse: failure))
    }

    /// Ends an attempt whose outcome is of no use any more. A late one is dropped.
    func abandonAttempt(_ id: ConnectionID) {
        guard let (attempt, provider) = attempts.removeValue(forKey: id) else { return }
        connector.abandon(attempt)
        if let provider { giveUp(provider.call, provider.task) }
    }

    /// A call of the credentials provider is not waited for any longer.
    func giveUp(_ call: OverdueCalls.ID, _ task: Task<Void, Never>) {
        guard overdueProviders.giveUp(call) else { return }
        // Neither is what the provider does when it is cancelled.
        connector.run { task.cancel() }
    }

    private func finishOpening(_ id: ConnectionID, _ result: Result<PreparedSession, ConnectionFailure>) {
        // Given up meanwhile; what it has come to has been closed.
        guard attempts.removeValue(forKey: id) != nil else { return onEvent(.ended(id)) }
        switch result {
        case .success(let prepared):
            let (raw, session) = (prepared.raw, prepared.raw.session)
            if let failure = replaced(by: session.timeline) { return onEvent(.notOpened(id, failure)) }
            if prepared.reset != .isReset { warnOfPooler(session, prepared.reset) }
            if let timeline = prepared.forgottenTimeline { warnOfForgotten(timeline, session) }
            // Where there are several hosts, an error tells of each what is wrong with it.
            let isNamed = !session.host.isEmpty && !isSeveralHosts
            logger.debug("connected", metadata: .connection(id, session))
            connections[id] = Connection(adopting: raw, on: loop) { [weak self] event in self?.handle(event, of: id) }
            let facts = SessionFacts(
                databaseName: "database \"\(session.database)\"" + (isNamed ? " on \(session.host)" : ""),
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
            a promotion was undone: a primary on timeline \(timeline) had been seen, and no server has it any more; the one that is \
            used now is on timeline \(session.timeline ?? 0); fencing tokens of the other one are greater than those to come
            """,
            metadata: [LogKey.database: "\(session.database)"]
        )
    }

    private func warnOfPooler(_ session: RawConnection.Session, _ reset: ResetCheck.Outcome) {
        let locks = reset == .keepsLocks ? "locks, " : ""
        logger.warning(
            """
            a pooler of sessions is in between that does not reset them: \(locks)settings (no time limits for statements and \
            silence, forms of values) and prepared statements of a process that ends without notice stay with a session of its pool, until \
            that is closed; therefore the server does not end a session that is silent for the lease; for pgbouncer, set \
            server_reset_query = DISCARD ALL
            """,
            metadata: [LogKey.database: "\(session.database)"]
        )
    }
}
