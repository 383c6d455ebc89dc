import CLibPQ
import DequeModule

/// A server session, driven without blocking, in pipeline mode.
///
/// Statements are sent as they come and answered in order, each in a transaction of its own unless SQL says otherwise.
/// Confined to its event loop: every method must be called on it, and every event comes on it. Unchecked sendable for
/// that reason alone.
package final class Connection: @unchecked Sendable {
    package enum Event: Sendable {
        /// The oldest unanswered statement is answered.
        case answered(Reply)
        /// The oldest unanswered sign of life has been given: see ``submitSync()``.
        case synchronized
        /// The session is over; nothing that was unanswered will be answered. Comes once, and as the last event.
        case lost(ConnectionFailure)
    }

    /// What libpq will report next.
    private enum Expectation {
        case prepare(name: String)
        case execute(Statement.Shape)
        case sync(isLone: Bool)
    }

    package let session: RawConnection.Session
    private let loop: EventLoop
    private let handler: @Sendable (Event) -> Void
    private var raw: RawConnection?
    private var watcher: SocketWatcher?
    private let end = SessionEnd()
    private var expectations = Deque<Expectation>()
    private var reply = Reply()
    /// The statements that are prepared, and their names there.
    private var prepared: [String: String] = [:]
    /// A pooler may pass on a session with the statements that another client has prepared in it.
    private let nameSuffix = "_" + String(UInt64.random(in: .min ... .max), radix: 36)
    private var mustFlush = false
    private var directWaits = DirectWaits()

    /// - Parameter handler: Called on the loop. Never from within a method of the connection that its user has called.
    package init(adopting raw: RawConnection, on loop: EventLoop, handler: @escaping @Sendable (Event) -> Void) {
        self.raw = raw
        self.loop = loop
        self.handler = handler
        session = raw.session
        PQsetnonblocking(raw.pointer, 1)
        PQenterPipelineMode(raw.pointer)
        watcher = SocketWatcher(
            socket: PQsocket(raw.pointer),
            on: loop,
            onReadable: { [weak self] in self?.receive(times: 2) },
            onWritable: { [weak self] in self?.flush() }
        )
        if watcher == nil { failLater() }
    }

    deinit {
        close()
    }

    /// Sends a statement behind those that are under way. Nothing is written to the socket before ``flush()``.
    package func submit(_ statement: Statement) {
        guard let raw else { return }
        var isSent = true
        var ownName: String?
        if let name = statement.name {
            ownName = prepared[name]
            if ownName == nil {
                let unique = name + nameSuffix
                prepared[name] = unique
                ownName = unique
                let types = statement.parameters.map(\.type)
                isSent = PQsendPrepare(raw.pointer, unique, statement.sql, Int32(types.count), types) == 1
                expectations.append(.prepare(name: name))
            }
        }
        isSent = isSent && send(statement, preparedAs: ownName, on: raw) && PQpipelineSync(raw.pointer) == 1
        expectations.append(.execute(statement.shape))
        expectations.append(.sync(isLone: false))
        if expectations.count <= 3 { beginGroup() }
        mustFlush = true
        if !isSent { failLater() }
    }

    /// The session has no prepared statements any more.
    package func forgetPrepared() {
        prepared = [:]
    }

    /// Asks for a sign of life, behind what is under way: a `Sync` that belongs to no statement, answered by an event of its own,
    /// so that it can't be taken for the answer to a statement that was sent behind it.
    ///
    /// It ends no transaction and begins none, and so costs the server nothing.
    package func submitSync() {
        guard let raw else { return }
        expectations.append(.sync(isLone: true))
        mustFlush = true
        if PQpipelineSync(raw.pointer) != 1 { failLater() }
    }

    /// Writes what was submitted, as far as the socket takes it now; the rest follows when it takes more.
    package func flush() {
        guard let raw else { return }
        mustFlush = false
        switch PQflush(raw.pointer) {
        case 0:
            watcher?.watchWrites(false)
        case 1:
            // What the server sends meanwhile must be read, or both sides may wait for the other for ever.
            watcher?.watchWrites(true)
            // Trying to write can have read something, for which the socket will not report again.
            loop.enter { [weak self] in self?.drainResults() }
        default:
            failLater()
        }
    }

    /// - Parameter mayWait: The answer to what is sent is all that anybody waits for, and can't take long; so the thread
    ///   that sends it may as well wait for it.
    package func flushIfNeeded(mayWait: Bool = false) {
        guard mustFlush else { return }
        flush()
        if mayWait, let limit = directWaits.begin() {
            waitForAnswer(atMost: limit)
        } else {
            watcher?.unpark()
        }
    }

    // MARK: Waiting on the spot

    private func waitForAnswer(atMost limit: Duration) {
        guard let raw else { return }
        watcher?.park()
        loop.waitDirectly(for: PQsocket(raw.pointer), atMost: limit) { [self] isReadable in
            if isReadable { receive(times: 1) }
            directWaits.end(isAnswered: expectations.isEmpty)
            guard expectations.isEmpty else {
                watcher?.unpark()
                return
            }
            watchAgainSoon()
        }
    }

    /// Parking and unparking have a price too, so a parked socket is left alone as long as one such wait follows the other.
    private func watchAgainSoon() {
        guard watcher?.isParked == true, directWaits.beginWatch() else { return }
        loop.run(after: 10) { [weak self] in
            guard let self else { return }
            if directWaits.endWatch() {
                watcher?.unpark()
            } else {
                watchAgainSoon()
            }
        }
    }

    /// Ends the session. No event comes any more.
    ///
    /// - Parameter onEnd: Called on the loop, when the session has come to its end at the server, or after a second.
    package func close(onEnd: (@Sendable () -> Void)? = nil) {
        if let onEnd { end.whenOver(on: loop, onEnd) }
        guard let raw else { return }
        self.raw = nil
        if session.isPassedOn { leaveClean(raw) }
        let end = UncheckedTransfer(self.end)
        if let watcher {
            watcher.close(atMost: SessionEnd.limit, goodbye: { raw.finish() }, completion: { end.value.noteOver() })
        } else {
            loop.submit {
                raw.finish()
                end.value.noteOver()
            }
        }
        watcher = nil
    }

    /// Takes along what is set and prepared in the session, which the next client of a pool gets as it is. A pooler that sees the
    /// client go before the server has answered closes the session, which does as well.
    private func leaveClean(_ raw: RawConnection) {
        guard PQstatus(raw.pointer) == CONNECTION_OK, expectations.isEmpty else { return }
        _ = send(Statement("DISCARD ALL", shape: .rows), preparedAs: nil, on: raw)
        PQpipelineSync(raw.pointer)
        PQflush(raw.pointer)
    }

    /// Asks the server, over a connection of libpq's own, to cancel what runs. Blocks: to be called off the loop.
    package func canceller() -> Canceller? {
        raw.flatMap { PQgetCancel($0.pointer) }.map(Canceller.init)
    }

    // MARK: Sending

    private func send(_ statement: Statement, preparedAs name: String?, on raw: RawConnection) -> Bool {
        let resultFormat: Int32 = statement.shape == .booleans ? 1 : 0
        return statement.parameters.withUnsafeValues { values in
            if let name {
                PQsendQueryPrepared(
                    raw.pointer,
                    name,
                    values.count,
                    values.pointers,
                    values.lengths,
                    values.formats,
                    resultFormat
                ) == 1
            } else {
                PQsendQueryParams(
                    raw.pointer,
                    statement.sql,
                    values.count,
                    values.types,
                    values.pointers,
                    values.lengths,
                    values.formats,
                    resultFormat
                ) == 1
            }
        }
    }

    private func failLater() {
        // Not now: whoever submits is in the middle of something.
        loop.enter { [weak self] in self?.lose() }
    }

    // MARK: Receiving

    /// - Parameter times: Twice for Dispatch: the last words and the end of a connection can come as one event, after
    ///   which it reports nothing more, but libpq reads them by two calls.
    private func receive(times: Int) {
        guard let raw else { return }
        for _ in 0..<times {
            guard PQconsumeInput(raw.pointer) == 1, PQstatus(raw.pointer) == CONNECTION_OK else {
                lose()
                return
            }
            drainResults()
            guard self.raw != nil else { return }
            // The socket is closed some milliseconds later, and the session's locks go to others between the two.
            guard !hasLastWords else {
                lose()
                return
            }
        }
        flushIfNeeded()
    }

    private var hasLastWords: Bool {
        reply.error?.endsSession == true || raw?.notices.lastWords != nil
    }

    private func drainResults() {
        var isFirstNull = true
        while let raw, let expected = expectations.first {
            guard PQisBusy(raw.pointer) == 0 else { return }
            // On a dead connection libpq would go on to report errors for ever.
            guard PQstatus(raw.pointer) == CONNECTION_OK else {
                lose()
                return
            }
            guard let result = PQgetResult(raw.pointer) else {
                if case .sync = expected {
                    // An error that comes with the sync (of a deferred constraint, say) is followed by a null of its own, before libpq
                    // looks at what else it has read. Two in a row mean that there is nothing.
                    guard isFirstNull else { return }
                    isFirstNull = false
                    continue
                }
                expectations.removeFirst()
                beginGroup()
                continue
            }
            isFirstNull = true
            take(result, expected)
        }
        // Without anything expected there can still be notices, for instance why the server is about to close.
        if let raw { _ = PQisBusy(raw.pointer) }
    }

    private func take(_ result: OpaquePointer, _ expected: Expectation) {
        let status = PQresultStatus(result)
        switch (status, expected) {
        case (PGRES_PIPELINE_SYNC, .sync(isLone: true)):
            PQclear(result)
            expectations.removeFirst()
            beginGroup()
            handler(.synchronized)
        case (PGRES_PIPELINE_SYNC, _):
            PQclear(result)
            expectations.removeFirst()
            reply.transaction = transactionStatus
            if let (outcome, message) = raw?.notices.takeWaitOutcome() { reply.note(outcome, message) }
            let finished = reply
            reply = Reply()
            beginGroup()
            handler(.answered(finished))
        case (PGRES_SINGLE_TUPLE, .execute(.booleans)):
            reply.appendBooleans(of: result)
            PQclear(result)
        case (PGRES_TUPLES_OK, .execute(.rows)), (PGRES_COMMAND_OK, .execute(.rows)):
            reply.result = QueryResult(adopting: result)
        case (PGRES_TUPLES_OK, _), (PGRES_COMMAND_OK, _), (PGRES_EMPTY_QUERY, _):
            PQclear(result)
        case (PGRES_COPY_OUT, _), (PGRES_COPY_IN, _), (PGRES_COPY_BOTH, _):
            // Not to be had in pipeline mode, where libpq would go on to report it for ever.
            PQclear(result)
            let message = "COPY from or to the client can't be run on this connection, so it was closed."
            reply.error = ServerError(severity: "FATAL", sqlState: "0A000", message: message)
            lose()
        case (PGRES_PIPELINE_ABORTED, _):
            // The preparation before it has failed; its error is what counts.
            PQclear(result)
        default:
            if case .prepare(let name) = expected { prepared[name] = nil }
            if reply.error == nil { reply.error = ServerError(result: result) }
            PQclear(result)
        }
    }

    private var transactionStatus: Reply.Transaction {
        guard let raw else { return .unknown }
        return switch PQtransactionStatus(raw.pointer) {
        case PQTRANS_IDLE: .none
        case PQTRANS_INTRANS: .open
        case PQTRANS_INERROR: .aborted
        default: .unknown
        }
    }

    /// libpq wants to be told per statement, after the end of the one before it, that rows are wanted one by one. It reads no message
    /// of a statement before that.
    private func beginGroup() {
        guard let raw else { return }
        guard case .execute(let shape) = expectations.first else {
            raw.notices.isWaitAnswered = false
            return
        }
        raw.notices.isWaitAnswered = shape == .waitOutcome
        if shape == .booleans { PQsetSingleRowMode(raw.pointer) }
    }

    private func lose() {
        guard let raw else { return }
        let failure: ConnectionFailure
        if let words = reply.error.flatMap({ $0.endsSession ? $0 : nil }) ?? raw.notices.lastWords {
            failure = ConnectionFailure(.lost, words.text, sqlState: words.sqlState)
        } else {
            failure = ConnectionFailure(.lost, String(cString: PQerrorMessage(raw.pointer)).trimmingNewlines)
        }
        close()
        handler(.lost(failure))
    }
}
