import LibPQ
import LockCore
import Logging

// Making connections, and what they lead to.
extension LockManager {
    func connect(_ id: ConnectionID) {
        let attempt = Connector.Attempt { [weak self, loop] stage, limit in
            loop.submit { [weak self] in
                self?.assumeIsolated { $0.limitAttempt(id, stage, limit) }
            }
        }
        let finish: @Sendable (Result<RawConnection, ConnectionFailure>) -> Void = { [weak self, loop] result in
            loop.submit { [weak self] in
                self?.assumeIsolated { $0.finishConnecting(id, result) }
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
        connectionPeak = max(connectionPeak, connections.count + attempts.count)
        guard let credentials = configuration.credentials else { return begin(configuration.parameters()) }
        guard overdueProviders.begin() else {
            return finish(.failure(ConnectionFailure(.unreachable, "Earlier calls of the credentials provider have not returned.")))
        }
        let noteReturned: @Sendable () -> Void = { [weak self, loop] in
            loop.submit { [weak self] in
                self?.assumeIsolated { $0.providerReturned(id) }
            }
        }
        // Detached: a provider that blocks must not do so on the loop.
        attempts[id]?.provider = Task.detached { [configuration] in
            do {
                let answer = try await credentials()
                noteReturned()
                begin(configuration.parameters(answer))
            } catch {
                noteReturned()
                finish(.failure(ConnectionFailure(.unreachable, "The credentials provider failed: \(type(of: error)).")))
            }
        }
        limitAttempt(id, "The credentials provider has not answered", configuration.timeouts.connect)
    }

    private func providerReturned(_ id: ConnectionID) {
        if abandonedProviders.remove(id) != nil { overdueProviders.noteReturned() }
        guard attempts[id] != nil else { return }
        attempts[id]?.provider = nil
        // The provider's limit does not run on while the attempt waits for its turn.
        drive { engine, _ in engine.connecting(id, until: nil) }
    }

    private func limitAttempt(_ id: ConnectionID, _ stage: Connector.Attempt.Stage, _ limit: Duration) {
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
        drive { $0.connecting(id, until: $1.advanced(by: limit + margin), orElse: failure) }
    }

    /// Ends an attempt whose outcome is of no use any more. A late one is dropped.
    func abandonAttempt(_ id: ConnectionID) {
        guard let (attempt, provider) = attempts.removeValue(forKey: id) else { return }
        connector.abandon(attempt)
        guard let provider else { return }
        overdueProviders.noteOverdue()
        abandonedProviders.insert(id)
        // What the provider does when it is cancelled is not to be waited for.
        connector.run { provider.cancel() }
    }

    private func finishConnecting(_ id: ConnectionID, _ result: Result<RawConnection, ConnectionFailure>) {
        guard attempts.removeValue(forKey: id) != nil else { return }
        switch result {
        case .success(let raw):
            let session = raw.session
            if let failure = replaced(by: session.timeline) { return drive { $0.connectFailed(id, failure, now: $1) } }
            if session.reset != .isReset { warnOfPooler(session) }
            if let timeline = session.forgottenTimeline { warnOfForgotten(timeline, session) }
            // Where there are several hosts, an error tells of each what is wrong with it.
            let isNamed = !session.host.isEmpty && !isSeveralHosts
            place = "database \"\(session.database)\"" + (isNamed ? " on \(session.host)" : "")
            logger.debug("connected", metadata: .connection(id, session))
            connections[id] = Connection(adopting: raw, on: loop) { [weak self] event in
                self?.assumeIsolated { $0.handle(event, of: id) }
            }
            if configuration.sessionLease != nil { proofs[id] = ProofOfLife() }
            drive { $0.connected(id, lockTableSize: session.lockTableSize, now: $1) }
        case .failure(let failure):
            drive { $0.connectFailed(id, Failure(failure), now: $1) }
        }
    }

    /// A server that was promoted takes the place of the one that other sessions are on, which may live on without knowing: their
    /// locks exclude nobody any more.
    ///
    /// - Parameter timeline: Of a connection that is just there.
    /// - Returns: Why that one can't be used, if it is on the server that was replaced.
    private func replaced(by timeline: UInt32?) -> Failure? {
        guard let timeline else { return nil }
        func failure(_ highest: UInt32) -> Failure {
            Failure(
                .connectionLost,
                "Another server was promoted (timeline \(highest)), and takes the place of the one that this session was on."
            )
        }
        let others = connections.compactMapValues(\.session.timeline)
        if let highest = others.values.max(), highest > timeline { return failure(highest) }
        for id in others.filter({ $0.value < timeline }).keys.sorted() {
            drive { $0.lost(id, failure(timeline), now: $1) }
        }
        return nil
    }

    /// Another server may have been promoted, while the one that holds our locks lives on.
    func surveyHosts() {
        guard survey == nil else { return }
        surveyCount += 1
        let number = surveyCount
        survey = number
        let finish: @Sendable (UInt32?) -> Void = { [weak self, loop] timeline in
            loop.submit { [weak self] in
                self?.assumeIsolated { manager in
                    guard manager.survey == number else { return }
                    manager.survey = nil
                    _ = manager.replaced(by: timeline)
                }
            }
        }
        let ask: @Sendable (ConnectionParameters) -> Void = { [connector, configuration] parameters in
            connector.survey(parameters, within: configuration.timeouts.connect, completion: finish)
        }
        guard let credentials = configuration.credentials else { return ask(configuration.parameters()) }
        guard overdueProviders.begin() else { return finish(nil) }
        let asking = Task.detached { [configuration] in
            do {
                ask(configuration.parameters(try await credentials()))
            } catch {
                finish(nil)
            }
        }
        // A provider that does not return keeps no later survey from being made.
        Task.detached { [limit = configuration.timeouts.connect] in
            try? await Task.sleep(for: limit * 2)
            asking.cancel()
            finish(nil)
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

    private func warnOfPooler(_ session: RawConnection.Session) {
        let locks = session.reset == .keepsLocks ? "locks, " : ""
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
