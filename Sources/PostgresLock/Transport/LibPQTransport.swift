import LibPQ
import LockCore
import Logging

/// The transport to PostgreSQL servers, over libpq.
///
/// Unchecked, because it is confined to the event loop.
final class LibPQTransport: LockTransport, @unchecked Sendable {
    let configuration: LockManager.Configuration
    let loop: EventLoop
    let logger: LogRelay
    let connector: Connector
    let isSeveralHosts: Bool
    // These are read and written at each turn, and no access lasts while other code runs, so the runtime need not check for overlaps.
    @exclusivity(unchecked) var onEvent: (TransportEvent) -> Void = { _ in }

    @exclusivity(unchecked) var connections = SessionMap<Connection>()
    var attempts: [ConnectionID: (attempt: ConnectAttempt, provider: ProviderCall?)] = [:]
    var currentSurvey: PromotionSurvey?
    /// The calls of the credentials provider that have not returned.
    var overdueProviders = OverdueCalls()
    var calls: [RequestID: CallInFlight] = [:]
    /// The sessions that may still have the `lock_timeout` of an earlier wait, which would also end the waits of a checked-out session.
    var limited: Set<ConnectionID> = []
    /// The connections to which statements were submitted in this turn.
    @exclusivity(unchecked) private var unflushed: [OpenConnection] = []
    /// The connection that was polled last, and is not watched meanwhile.
    @exclusivity(unchecked) private var polled: ConnectionID?

    private struct OpenConnection {
        let id: ConnectionID
        let connection: Connection
    }

    /// Whether the server can't run waits that catch their own end.
    var waitsPlainly = false {
        didSet {
            guard waitsPlainly, !oldValue else { return }
            logger.info("waits that end write an error to the server's log, since PL/pgSQL is not to be had", metadata: [:])
        }
    }

    /// For tests.
    @exclusivity(unchecked) var counts = Counts()

    struct Counts {
        /// The highest number of connections at a time, including attempts to connect.
        var connectionPeak = 0
        /// How often work or statements were submitted.
        var statements = 0
        /// How often the server was asked whether waits hold up other sessions.
        var looks = 0
        /// How many surveys of the hosts were begun.
        var surveys = 0
        /// How many ends of sessions were not waited for any longer. Attempts to connect do not count.
        var abandonedEnds = 0
    }

    init(_ configuration: LockManager.Configuration, on loop: EventLoop, logger: LogRelay) {
        self.configuration = configuration
        self.loop = loop
        self.logger = logger
        isSeveralHosts = configuration.parameters().isSeveralHosts
        connector = Connector(
            oldestServer: 120_000,
            settings: configuration.isForTransactions ? nil : configuration.sessionSettings,
            forgetAfter: configuration.lease ?? .seconds(30)
        )
    }

    // MARK: Sessions

    func session(_ id: ConnectionID) -> RawConnection.Session { connections[id]?.session ?? .init() }

    /// - Returns: The connection, which is flushed at the end of the turn.
    func using(_ id: ConnectionID) -> Connection? {
        guard let connection = connections[id] else { return nil }
        if !connection.mustFlush { unflushed.append(OpenConnection(id: id, connection: connection)) }
        return connection
    }

    func endTurn(loneSession: ConnectionID?, isAnswerNeeded: Bool) {
        if isAnswerNeeded {
            if let polled, !unflushed.contains(where: { $0.id == polled }), let connection = connections[polled] {
                unflushed.append(OpenConnection(id: polled, connection: connection))
            }
            polled = loneSession
        }
        // In any order, since sessions are independent. Nothing is submitted in this loop: events that flushing causes come in a later turn.
        while let open = unflushed.popLast() {
            open.connection.endTurn(!isAnswerNeeded ? .rest : open.id == loneSession ? .poll : .watch)
        }
    }

    func cancelOutOfBand(_ id: ConnectionID) {
        let sender = connections[id]?.cancelRequestSender()
        connector.run { [weak self, loop] in
            sender?.send()
            loop.submit { [weak self] in self?.onEvent(.cancelledOutOfBand(id)) }
        }
    }

    func close(_ id: ConnectionID) {
        let isAttempt = attempts[id] != nil
        abandonAttempt(id)
        limited.remove(id)
        calls = calls.filter { $0.value.connection != id }
        let onEnd: SessionEnd.Handler = { [weak self] hasEnded in
            if !hasEnded { self?.counts.abandonedEnds += 1 }
            self?.onEvent(.ended(id))
        }
        if polled == id { polled = nil }
        if let connection = connections.remove(id) {
            connection.close(onEnd: onEnd)
        } else if isAttempt {
            // Its thread may have a session already, but may also be stuck, so the wait for it is limited.
            loop.run(after: 1000) { [weak self] in self?.onEvent(.ended(id)) }
        } else {
            loop.submit { onEnd(true) }
        }
    }

    // MARK: Servers

    func noteSilence(of id: ConnectionID) {
        guard let connection = connections[id] else { return }
        connection.isSilent = true
        connector.noteSilence(connection.session)
    }

    func note(_ position: WALPosition) {
        connector.note(timeline: position.timeline, location: position.location)
    }
}
