import DequeModule

/// Decides to which submission libpq's results belong, and what they mean. Knows no libpq: it is told what was submitted, and what was
/// read.
///
/// Each statement has a Sync of its own, so that it is a transaction of its own unless SQL says otherwise. libpq reports of each, in
/// the order in which they were sent: the results of its preparation, if it has one, and NULL; its own results and NULL; the Sync.
struct PipelineDecoder: Sendable {
    /// What is to be done after a result.
    enum Step {
        /// Take the next result.
        case proceed
        /// It is the turn of what was sent next: see ``wantsSingleRows``. Then take the next result.
        case advanced
        /// The statement with this name is not prepared after all. Then take the next result.
        case unprepared(name: String)
        /// A submission is answered; otherwise as ``advanced``.
        case answered(SubmissionToken, [Reply])
        /// There is no result until more is read.
        case pause
        /// The session has ended, and nothing more will be answered.
        case over(ConnectionFailure)
    }

    /// What libpq will report next.
    private enum Expectation {
        case prepare(name: String)
        case execute(Statement.Shape)
        /// The end of a statement. With the token of the submission that ends with it.
        case sync(SubmissionToken?)
        /// A Sync that belongs to no statement.
        case loneSync(SubmissionToken)
    }

    private var expectations = Deque<Expectation>()
    /// To the statement that is being answered.
    private var reply = Reply()
    /// To the statements of its submission that are answered.
    private var replies: [Reply] = []
    /// What the wait that is being answered has come to, and the text of the error that has ended it.
    private var waitOutcome: (outcome: WaitOutcome, message: String?)?
    /// The message that announced the session's end.
    private var lastWords: ServerError?
    /// Whether the last result was the first of maybe two NULLs.
    private var isAfterNull = false

    // MARK: Sending

    /// A statement was sent, with its Sync.
    ///
    /// - Parameters:
    ///   - name: The name under which it is prepared ahead of that, if it is.
    ///   - token: Of the submission, if it is the last statement of that.
    mutating func noteSent(_ shape: Statement.Shape, preparing name: String?, ending token: SubmissionToken?) {
        if let name { expectations.append(.prepare(name: name)) }
        expectations.append(.execute(shape))
        expectations.append(.sync(token))
    }

    /// A Sync was sent that belongs to no statement.
    mutating func noteSync(_ token: SubmissionToken) {
        expectations.append(.loneSync(token))
    }

    // MARK: What comes next

    /// Whether all that was submitted is answered.
    var isIdle: Bool { expectations.isEmpty }

    /// The shape of the statement whose results come next; `nil` if it is not a statement's turn.
    var shape: Statement.Shape? {
        guard case .execute(let shape) = expectations.first else { return nil }
        return shape
    }

    /// Whether libpq must be told now that rows are wanted one by one. It wants that per statement, after the end of the one before
    /// it, and reads no message of a statement before that.
    var wantsSingleRows: Bool { shape == .booleans }

    /// Why the session is over: what the server has said, if it has said something.
    ///
    /// - Parameter message: What libpq says.
    func failure(orElse message: String) -> ConnectionFailure {
        lastWords.map { ConnectionFailure(.lost, $0.text, sqlState: $0.sqlState) } ?? ConnectionFailure(.lost, message)
    }

    // MARK: Receiving

    /// - Returns: Whether the notice was meant for the decoder alone.
    mutating func take(_ notice: ServerError) -> Bool {
        // Anything else may send such a message too, like a trigger, and then it means nothing.
        if shape == .waitOutcome, let outcome = WaitOutcome(notice) {
            waitOutcome = (outcome, notice.detail)
            return true
        }
        if notice.endsSession { lastWords = notice }
        return false
    }

    mutating func take(_ result: PipelineResult) -> Step {
        if case .null = result { return takeNull() }
        isAfterNull = false
        switch result {
        case .pending, .null:
            return pause()
        case .row(let row):
            // Also of a statement that fails later: what those before the error say stands.
            row.append(to: &reply.booleans)
        case .rows(let rows):
            reply.result = rows
        case .complete:
            break
        case .aborted:
            // The preparation before it has failed; its error is what counts.
            break
        case .error(let error):
            return take(error)
        case .copy:
            // Not to be had in pipeline mode, where libpq would go on to report it without end.
            return end("COPY from or to the client can't be run on this connection, so it was closed.", sqlState: "0A000")
        case .sync(let transaction):
            return takeSync(transaction)
        case .dead(let message):
            // libpq would go on to report errors without end.
            return .over(failure(orElse: message))
        }
        return .proceed
    }

    private mutating func takeNull() -> Step {
        switch expectations.first {
        case .prepare, .execute:
            expectations.removeFirst()
            return .advanced
        case .sync, .loneSync, nil:
            // An error that comes with the Sync (of a deferred constraint, say) is followed by a NULL of its own, before libpq looks at
            // what else it has read. Two in a row mean that there is nothing.
            isAfterNull.toggle()
            return isAfterNull ? .proceed : pause()
        }
    }

    private mutating func take(_ error: ServerError) -> Step {
        if error.endsSession {
            // The socket is closed some milliseconds later, and the session's locks go to others between the two.
            lastWords = error
            return .over(failure(orElse: error.text))
        }
        // The first one is the reason for those that follow.
        if reply.error == nil { reply.error = error }
        guard case .prepare(let name) = expectations.first else { return .proceed }
        return .unprepared(name: name)
    }

    private mutating func takeSync(_ transaction: Reply.Transaction) -> Step {
        // An error can come with the Sync. To one that belongs to no statement it means nothing.
        defer { reply = Reply() }
        switch expectations.popFirst() {
        case .loneSync(let token):
            return .answered(token, [])
        case .sync(let token):
            reply.transaction = transaction
            if let (outcome, message) = waitOutcome { reply.note(outcome, message) }
            waitOutcome = nil
            replies.append(reply)
            guard let token else { return .advanced }
            defer { replies = [] }
            return .answered(token, replies)
        case .prepare, .execute, nil:
            return end("What the server has answered did not fit what was sent, so the connection was closed.", sqlState: "08P01")
        }
    }

    private func pause() -> Step {
        // As a notice they come while nothing is asked, and of a server that stops at once.
        lastWords == nil ? .pause : .over(failure(orElse: ""))
    }

    private mutating func end(_ message: String, sqlState: String) -> Step {
        lastWords = ServerError(severity: "FATAL", sqlState: sqlState, message: message)
        return .over(failure(orElse: message))
    }
}
