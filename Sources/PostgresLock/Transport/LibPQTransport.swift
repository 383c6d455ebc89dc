import LibPQ
import LockCore
import Logging

/// PostgreSQL, over libpq.
///
/// Unchecked, because it is confined to the event loop.
final class LibPQTransport: LockTransport, @unchecked Sendable {
    let configuration: LockManager.Configuration
    let loop: EventLoop
    let logger: LogRelay
    let connector: Connector
    let isSeveralHosts: Bool
    var onEvent: (TransportEvent) -> Void = { _ in }

    var connections: [ConnectionID: Connection] = [:]
    var attempts: [ConnectionID: (attempt: ConnectAttempt, provider: (call: OverdueCalls.ID, task: Task<Void, Never>)?)] = [:]
    /// The survey of the hosts that is under way.
    var currentSurvey: HostSurvey?
    /// Calls of the credentials provider.
    var overdueProviders = OverdueCalls()
    /// What is asked of the server on checked-out sessions, and not answered in full.
    var calls: [RequestID: CallInFlight] = [:]
    /// The sessions on which a wait has left the time limit of its backstop, which would end a checked-out session's waits.
    var limited: Set<ConnectionID> = []
    /// The connections that something was submitted to in this turn.
    private var unflushed: Set<ConnectionID> = []

    /// Whether the server does not run what catches the end of a wait.
    var waitsPlainly = false {
        didSet {
            guard waitsPlainly, !oldValue else { return }
            logger.info("waits that end write an error to the server's log, since PL/pgSQL is not to be had", metadata: [:])
        }
    }

    /// What tests count.
    var counts = Counts()

    struct Counts {
        /// The most connections that there have been at a time, those being made included.
        var connectionPeak = 0
        /// How many statements the engine has had sent.
        var statements = 0
        /// How often the server was asked whether waits hold up others.
        var looks = 0
        /// How many surveys of the hosts were begun.
        var surveys = 0
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
        unflushed.insert(id)
        return connection
    }

    func flush(loneSession: ConnectionID?) {
        guard !unflushed.isEmpty else { return }
        // Nothing is submitted meanwhile: what flushing finds out comes in a further turn.
        for id in unflushed {
            connections[id]?.flushIfNeeded(mayWait: id == loneSession)
        }
        unflushed.removeAll(keepingCapacity: true)
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
        let onEnd: @Sendable () -> Void = { [weak self] in self?.onEvent(.ended(id)) }
        if let connection = connections.removeValue(forKey: id) {
            connection.close(onEnd: onEnd)
        } else if isAttempt {
            // Its thread may have a session already. It is not waited for if it is stuck.
            loop.run(after: 1000, onEnd)
        } else {
            loop.submit(onEnd)
        }
    }

    // MARK: Servers

    func noteSilence(of id: ConnectionID) {
        if let session = connections[id]?.session { connector.noteSilence(session) }
    }

    func note(_ position: WALPosition) {
        connector.note(timeline: position.timeline, location: position.location)
    }
}
