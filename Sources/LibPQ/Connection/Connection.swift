import CLibPQ
import Dispatch

/// A server session, driven without blocking, in pipeline mode.
///
/// Statements are sent as they come and answered in order, each in a transaction of its own unless SQL says otherwise.
/// Confined to its event loop: every method must be called on it, and every event comes on it. Unchecked sendable for
/// that reason alone.
package final class Connection: EventLoop.BusyPollUser, @unchecked Sendable {
    package enum Event: Sendable {
        /// The oldest unanswered submission is answered: with a reply to each of its statements, in their order.
        case answered(SubmissionToken, Replies)
        /// The session is over; nothing that was unanswered will be answered. Comes once, and as the last event.
        case lost(ConnectionFailure)
    }

    package let session: RawConnection.Session
    private let loop: EventLoop
    private let handler: @Sendable (Event) -> Void
    // Most accesses are short reads, so the runtime's checks for overlaps would take longer than they do. Debug builds check the decoder, whose
    // changes call other code.
    @exclusivity(unchecked) private var raw: RawConnection?
    @exclusivity(unchecked) private var watcher: SocketWatcher?
    private let end = SessionEnd()
    #if DEBUG
        private var decoder = PipelineDecoder()
    #else
        @exclusivity(unchecked) private var decoder = PipelineDecoder()
    #endif
    @exclusivity(unchecked) private var prepared = PreparedStatements()
    /// Whether an answer is overdue. Then the session's end at the server is not waited for as long as else. Any answer resets it.
    @exclusivity(unchecked) package var isSilent = false
    /// Whether something was submitted and not written.
    @exclusivity(unchecked) package private(set) var mustFlush = false
    /// Whether the socket took only a part of what was to be written.
    @exclusivity(unchecked) private var isWatchingWrites = false
    @exclusivity(unchecked) private var pollPolicy = BusyPollPolicy()
    /// When the busy poll has begun.
    @exclusivity(unchecked) private var pollBegin: UInt64 = 0

    /// - Parameter handler: Called on the loop. Never from within a method of the connection that its user has called.
    package init(adopting raw: RawConnection, on loop: EventLoop, handler: @escaping @Sendable (Event) -> Void) {
        self.raw = raw
        self.loop = loop
        self.handler = handler
        session = raw.session
        raw.enterPipeline()
        // Not while the decoder is at work, which never calls libpq.
        raw.notices.intercept = { [weak self] in self?.decoder.take($0) ?? false }
        watcher = SocketWatcher(
            socket: PQsocket(raw.pointer),
            on: loop,
            onReadable: { [weak self] in self?.receive(times: SocketWatcher.readsPerReport) },
            onWritable: { [weak self] in self?.flush() }
        )
        if watcher == nil { failLater() }
    }

    deinit {
        close()
    }

    /// Sends a statement behind those that are under way. Nothing is written to the socket before ``flush()``.
    ///
    /// - Parameter token: Comes back with the reply.
    package func submit(_ statement: Statement, for token: SubmissionToken) {
        send(statement, ending: token)
    }

    /// Sends statements that are answered together, by one event. Each is a transaction of its own all the same.
    ///
    /// Of no statements this is a heartbeat: a `Sync` that belongs to no statement. It ends no transaction and begins none, and so
    /// costs the server nothing.
    package func submit(_ statements: [Statement], for token: SubmissionToken) {
        guard let last = statements.last else { return submitSync(token) }
        for statement in statements.dropLast() { send(statement, ending: nil) }
        send(last, ending: token)
    }

    /// The session has no prepared statements any more.
    package func forgetPrepared() {
        prepared.removeAll()
    }

    /// Writes what was submitted, as far as the socket takes it now; the rest follows when it takes more.
    package func flush() {
        guard let raw else { return }
        mustFlush = false
        switch PQflush(raw.pointer) {
        case 0:
            if isWatchingWrites { watchWrites(false) }
        case 1:
            // The server's answers must be read meanwhile, or both sides may wait for each other.
            watchWrites(true)
            // The attempt to write may have read answers, which the socket does not report again.
            loop.enter { [weak self] in self?.receive(times: 1) }
        default:
            failLater()
        }
    }

    private func watchWrites(_ isWanted: Bool) {
        isWatchingWrites = isWanted
        watcher?.watchWrites(isWanted)
    }

    /// How answers are read after a turn.
    package enum Attention {
        /// This thread may wait for the answer, since all calls wait for it, and it can't take long.
        case poll
        /// As soon as they come.
        case watch
        /// Some time, since no call waits for one.
        case rest
    }

    /// Writes what was submitted.
    package func endTurn(_ attention: Attention) {
        let isToPoll = attention == .poll && loop.mayBusyPoll && !decoder.isIdle && pollPolicy.begin()
        // Before the write, since the server may answer, and so wake the thread that watches, before this one goes on.
        if isToPoll { watcher?.park() }
        if mustFlush { flush() }
        if isToPoll { return waitForAnswer() }
        if attention != .rest { watcher?.unpark() }
    }

    // MARK: Busy polling

    private func waitForAnswer() {
        guard let raw else { return }
        pollBegin = DispatchTime.now().uptimeNanoseconds
        loop.busyPoll(for: PQsocket(raw.pointer), milliseconds: BusyPollPolicy.milliseconds, user: self)
    }

    func endBusyPoll(isReadable: Bool) {
        let duration = DispatchTime.now().uptimeNanoseconds - pollBegin
        if isReadable { receive(times: 1) }
        // Of several answers the first may have come alone. The end of this turn polls for the next one.
        if !isReadable || decoder.isIdle { pollPolicy.end(isAnswered: decoder.isIdle, after: duration) }
        guard isReadable else {
            watcher?.unpark()
            return
        }
        watchAgainSoon()
    }

    /// Parking and unparking cost system calls, so a socket stays parked while one busy poll follows the other.
    private func watchAgainSoon() {
        guard watcher?.isParked == true, pollPolicy.beginWatch() else { return }
        loop.run(after: 10) { [weak self] in
            guard let self else { return }
            if pollPolicy.endWatch() {
                watcher?.unpark()
            } else {
                watchAgainSoon()
            }
        }
    }

    /// Ends the session. No event comes any more.
    ///
    /// - Parameter onEnd: Called on the loop, when the session has come to its end at the server, or is not waited for any longer: see
    ///   ``SessionEnd/limit(_:)``.
    package func close(onEnd: SessionEnd.Handler? = nil) {
        if let onEnd { end.whenOver(on: loop, onEnd) }
        close(isSilent ? .silent : decoder.isIdle ? .idle : .running)
    }

    private func close(_ occasion: SessionEnd.Occasion) {
        guard let raw else { return }
        self.raw = nil
        if session.isPassedOn { leaveClean(raw) }
        let end = UncheckedTransfer(self.end)
        if let watcher {
            watcher.close(atMost: SessionEnd.limit(occasion), goodbye: { raw.finish() }, completion: { end.value.noteOver(hasEnded: $0) })
        } else {
            loop.submit {
                raw.finish()
                end.value.noteOver(hasEnded: false)
            }
        }
        watcher = nil
    }

    /// Discards the session's settings and prepared statements, which the next client of the pool would get. A pooler whose client closes
    /// the connection before the server has answered closes the session, which has the same effect.
    private func leaveClean(_ raw: RawConnection) {
        guard raw.isUsable, decoder.isAnswered else { return }
        _ = raw.send(Statement("DISCARD ALL", shape: .rows))
        PQflush(raw.pointer)
    }

    /// What sends cancel requests for the session. To be used off the loop, since it blocks.
    package func cancelRequestSender() -> CancelRequestSender? {
        raw.flatMap { CancelRequestSender(for: $0.pointer) }
    }

    // MARK: Sending

    private func send(_ statement: Statement, ending token: SubmissionToken?) {
        guard let raw else { return }
        let isFirst = decoder.isIdle
        let isSent: Bool
        var newName: StatementName?
        if let name = statement.name {
            if let known = prepared[name] {
                isSent = raw.send(statement, preparedAs: known)
            } else {
                let unique = prepared.insert(name)
                newName = name
                isSent = raw.sendPreparation(of: statement, as: unique) && raw.send(statement, preparedAs: unique)
            }
        } else {
            isSent = raw.send(statement)
        }
        decoder.noteSent(statement.shape, preparing: newName, ending: token)
        if isFirst { requestRows() }
        mustFlush = true
        if !isSent { failLater() }
    }

    private func submitSync(_ token: SubmissionToken) {
        guard let raw else { return }
        decoder.noteSync(token)
        mustFlush = true
        if !raw.sendSync() { failLater() }
    }

    private func failLater() {
        // After the current call, since the submitter is not prepared for events yet.
        loop.enter { [weak self] in self?.lose() }
    }

    // MARK: Receiving

    /// - Parameter times: How often to read. Twice at least if the connection is encrypted: libpq may leave a part of the last record decrypted,
    ///   and then nothing is left in the socket that could be reported.
    private func receive(times: Int) {
        for _ in 0..<max(times, raw?.isEncrypted == true ? 2 : 1) {
            guard let raw else { return }
            guard raw.consumeInput() else { return lose() }
            readResults()
        }
        if mustFlush { flush() }
    }

    private func readResults() {
        while let raw {
            let result = raw.nextResult(shape: decoder.shape, isExpected: !decoder.isIdle)
            switch decoder.take(result) {
            case .proceed:
                continue
            case .advanced:
                requestRows()
            case .unprepared(let name):
                prepared.remove(name)
            case .answered(let token, let replies):
                isSilent = false
                requestRows()
                handler(.answered(token, replies))
            case .pause:
                return raw.discardNotifications()
            case .over(let failure):
                return lose(failure)
            }
        }
    }

    private func requestRows() {
        if decoder.wantsSingleRows, let raw { PQsetSingleRowMode(raw.pointer) }
    }

    private func lose(_ failure: ConnectionFailure? = nil) {
        guard let raw else { return }
        let failure = failure ?? decoder.failure(orElse: raw.errorMessage)
        close(.idle)
        handler(.lost(failure))
    }
}
