import LibPQ
import LockCore
import LockServerModel
import PostgresLock

/// The transport of one manager to an ``InMemoryLockServer``.
///
/// Unchecked: see where its properties are touched.
final class InMemoryTransport: LockTransport, @unchecked Sendable {
    // Touched on the event loop only.
    var onEvent: (TransportEvent) -> Void = { _ in }
    var waitsPlainly = false
    /// The sessions that are open or being opened.
    private var current: Set<ConnectionID> = []

    private let server: InMemoryLockServer
    private let loop: EventLoop
    private let link: InMemoryLink
    private let connectLimit: Duration
    /// After how long of silence the server ends a session.
    private let silenceLimit: Duration?

    init(to server: InMemoryLockServer, _ link: InMemoryLink, _ configuration: LockManager.Configuration) {
        self.server = server
        self.link = link
        loop = link.loop
        connectLimit = configuration.timeouts.connect
        silenceLimit = configuration.sessionLease
    }

    deinit {
        server.remove(link)
    }

    var lister: (any LockLister)? { InMemoryLister(server: server, link: link) }

    // MARK: Sessions

    func open(_ id: ConnectionID) {
        current.insert(id)
        loop.submit { [weak self, connectLimit] in
            let failure = Failure(.unreachable, "The server in memory has not answered within \(connectLimit.shown) (timeouts.connect).")
            self?.report(.opening(id, within: connectLimit, orElse: failure), of: id)
        }
        server.send(over: link) { [weak self, server, link, silenceLimit] in
            switch server.accept(link.number, silenceLimit: silenceLimit) {
            case .refused(let failure):
                self?.tell(.notOpened(id, failure), of: id)
            case .accepted(let session):
                link.sessions[id] = session
                session.onTermination = { [weak self] in self?.tell(.lost(id, .lost), of: id) }
                self?.tell(.opened(id, server.facts), of: id)
            }
        }
    }

    func close(_ id: ConnectionID) {
        current.remove(id)
        server.close(id, over: link) { [weak self] in self?.onEvent(.ended(id)) }
    }

    func cancelOutOfBand(_ id: ConnectionID) {
        server.timeline.send { [weak self, server, link, loop] in
            if !link.isSilent { link.sessions[id]?.signal(.cancelledByServer) }
            server.timeline.submit(to: loop) { [weak self] in self?.onEvent(.cancelledOutOfBand(id)) }
        }
    }

    // MARK: Work

    func submit(_ work: Engine.Work, on id: ConnectionID) {
        server.send(over: link) { [weak self, server, link] in
            server.note(work)
            let statement = SimulatedStatement(work, session: { link.sessions[$0] })
            link.sessions[id]?.receive(statement) { self?.tell(.answered(id, $0.answer(to: work)), of: id) }
        }
    }

    func submit(
        _ submission: CheckedOutSession.Submission,
        in scope: CheckedOutSession.Scope,
        body: BodyStatement?,
        of call: RequestID,
        on id: ConnectionID
    ) {
        let body = body.map { server.meaning(of: $0.sql) }
        server.send(over: link) { [weak self, server, link] in
            if body != nil { server.note(.statement(call)) }
            func send(_ statements: [CheckedOutSession.Statement], isLast: Bool) {
                var replies: [CheckedOutSession.Reply] = []
                var rows: NoRows?
                for statement in statements {
                    let own = SimulatedStatement.Own(statement: statement, scope: scope, body: statement == .body ? body : nil)
                    link.sessions[id]?.receive(.own(own)) { reply in
                        if statement == .body, reply.failure == nil { rows = NoRows() }
                        replies.append(reply.own)
                        guard replies.count == statements.count else { return }
                        self?.tell(.replied(call, on: id, replies, body: rows, isLast: isLast), of: id)
                    }
                }
            }
            send(submission.statements, isLast: submission.further.isEmpty)
            send(submission.further, isLast: true)
        }
    }

    /// Submissions are sent at once.
    func endTurn(loneSession: ConnectionID?, isAnswerNeeded: Bool) {}

    // MARK: Servers

    // There is one server, which is never replaced.
    func survey() {}
    func noteSilence(of id: ConnectionID) {}
    func note(_ position: WALPosition) {}

    func look(_ look: LockLook, completion: @escaping @Sendable (LockLook.Found) -> Void) -> Bool {
        server.timeline.send { [server] in completion(server.find(look)) }
        return true
    }

    // MARK: Events

    /// Called on the server's queue.
    private func tell(_ event: TransportEvent, of id: ConnectionID) {
        server.answer(over: link) { [weak self] in self?.report(event, of: id) }
    }

    /// Called on the event loop. The session may have been closed meanwhile.
    private func report(_ event: TransportEvent, of id: ConnectionID) {
        guard current.contains(id) else { return }
        if case .notOpened = event { current.remove(id) }
        onEvent(event)
    }
}

/// The result of any statement of a body that is not refused.
private final class NoRows: StatementRows {
    let rowCount = 0
    let columnCount = 0
    let affectedRows = 0

    func columnName(_ column: Int) -> String { "" }
    func columnType(_ column: Int) -> UInt32 { 0 }
    func text(row: Int, column: Int) -> String? { nil }
}
