import LibPQ

@testable import LockCore
@testable import LockSimulation
@testable import PostgresLock

/// The transport of one manager to a ``ServerInMemory``.
///
/// Unchecked: see where its properties are touched.
final class TransportInMemory: LockTransport, @unchecked Sendable {
    /// Touched on the server's queue only.
    private final class Sessions: @unchecked Sendable {
        var all: [ConnectionID: SimulatedSession] = [:]
    }

    // Touched on the event loop only.
    var onEvent: (TransportEvent) -> Void = { _ in }
    var waitsPlainly = false
    /// The sessions that are open or being opened.
    private var current: Set<ConnectionID> = []

    private let server: ServerInMemory
    private let loop: EventLoop
    private let sessions = Sessions()

    init(to server: ServerInMemory, on loop: EventLoop) {
        self.server = server
        self.loop = loop
    }

    deinit {
        server.send { [sessions] _ in
            for session in sessions.all.values { session.receiveClose() }
        }
    }

    // MARK: Sessions

    func open(_ id: ConnectionID) {
        current.insert(id)
        server.send { [weak self, server, sessions] _ in
            switch server.accept() {
            case .refused(let failure):
                self?.tell(.notOpened(id, failure), of: id)
            case .accepted(let session):
                sessions.all[id] = session
                session.onTermination = { [weak self] in self?.tell(.lost(id, .lost), of: id) }
                self?.tell(.opened(id, SessionFacts(databaseName: "a server in memory", lockTableSize: server.lockTableSize)), of: id)
            }
        }
    }

    func close(_ id: ConnectionID) {
        current.remove(id)
        server.send { [weak self, server, sessions, loop] _ in
            let session = sessions.all.removeValue(forKey: id)
            session?.receiveClose()
            server.when({ session?.isAlive != true }) {
                loop.submit { [weak self] in self?.onEvent(.ended(id)) }
            }
        }
    }

    func cancelOutOfBand(_ id: ConnectionID) {
        server.send { [weak self, sessions, loop] _ in
            sessions.all[id]?.signal(.cancelledByServer)
            loop.submit { [weak self] in self?.onEvent(.cancelledOutOfBand(id)) }
        }
    }

    // MARK: Work

    func submit(_ work: Engine.Work, on id: ConnectionID) {
        server.send { [weak self, server, sessions] _ in
            server.note(work)
            let statement = SimulatedStatement(work, session: { sessions.all[$0] }, aim: { _, _ in SimulatedCancelAim(at: nil) })
            sessions.all[id]?.receive(statement) { self?.tell(.answered(id, $0.answer(to: work)), of: id) }
        }
    }

    func submit(
        _ submission: CheckedOutSession.Submission,
        in scope: CheckedOutSession.Scope,
        body: BodyStatement?,
        of call: RequestID,
        on id: ConnectionID
    ) {
        let body = body.map { SimulatedBody(sql: $0.sql) }
        server.send { [weak self, server, sessions] _ in
            if body != nil { server.note(.statement(call)) }
            func send(_ statements: [CheckedOutSession.Statement], isLast: Bool) {
                var replies: [CheckedOutSession.Reply] = []
                var rows: RowsInMemory?
                for statement in statements {
                    let own = SimulatedStatement.Own(statement: statement, scope: scope, body: statement == .body ? body : nil)
                    sessions.all[id]?.receive(.own(own)) { reply in
                        if statement == .body, reply.failure == nil { rows = RowsInMemory() }
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

    // MARK: Events

    /// Called on the server's queue.
    private func tell(_ event: TransportEvent, of id: ConnectionID) {
        loop.submit { [weak self] in
            // It may have been closed meanwhile.
            guard let self, current.contains(id) else { return }
            if case .notOpened = event { current.remove(id) }
            onEvent(event)
        }
    }
}

/// One row of one column, for any statement.
private final class RowsInMemory: StatementRows {
    let rowCount = 1
    let columnCount = 1
    let affectedRows = 1

    func columnName(_ column: Int) -> String { column == 0 ? "n" : "" }
    func columnType(_ column: Int) -> UInt32 { column == 0 ? 23 : 0 }
    func text(row: Int, column: Int) -> String? { row == 0 && column == 0 ? "1" : nil }
}

extension SimulatedBody {
    /// Reads the few kinds of SQL that tests use.
    fileprivate init(sql: String) {
        let words = sql.split(separator: " ").map(String.init)
        let name = words.last ?? ""
        self =
            switch words.first {
            case "SAVEPOINT": .savepoint(name)
            case "RELEASE": .releaseSavepoint(name)
            case "ROLLBACK": words.count > 1 ? .rollBackToSavepoint(name) : .rollBack(chained: false)
            case "COMMIT": .commit(chained: false)
            case "MISTAKE": .mistake
            case "SLEEP": .work(.seconds(3600))
            default: .work(.zero)
            }
    }
}
