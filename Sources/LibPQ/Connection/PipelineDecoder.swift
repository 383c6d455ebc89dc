import DequeModule

/// Assigns libpq's results to submissions, and interprets them. It does not call libpq, but is told what was submitted and what was read.
///
/// Each statement has a Sync of its own, so that it is a transaction of its own unless SQL says otherwise. For each statement, in the order
/// of submission, libpq reports: the results of its preparation and NULL, if it has one; its own results and NULL; the Sync.
struct PipelineDecoder: Sendable {
    /// What is to be done after a result.
    enum Step {
        /// Take the next result.
        case proceed
        /// The results of the next statement come now: see ``wantsSingleRows``. Then take the next result.
        case advanced
        /// The statement with this name is not prepared after all. Then take the next result.
        case unprepared(name: StatementName)
        /// As ``advanced``, and a submission is answered.
        case answered(SubmissionToken, Replies)
        /// There is no further result until more is read.
        case pause
        /// The session has ended, and nothing more will be answered.
        case over(ConnectionFailure)
    }

    /// A part of libpq's reports.
    private enum Expectation {
        case prepare(name: StatementName)
        case execute(Statement.Shape)
        /// The end of a statement, with the token of the submission that it ends, if it ends one.
        case sync(SubmissionToken?)
        /// A Sync that belongs to no statement.
        case loneSync(SubmissionToken)
    }

    private var expectations = Deque<Expectation>()
    /// The reply to the statement whose results come at present.
    private var reply = Reply()
    /// The replies to the statements of the submission before that one.
    private var earlier: [Reply] = []
    /// The outcome of the wait whose results come at present, and the text of the error that has ended it.
    private var waitOutcome: (outcome: WaitOutcome, message: String?)?
    /// Whether that wait's submission is answered already, by the message of its grant.
    private var isAnsweredByGrant = false
    /// The message that announced the session's end.
    private var lastWords: ServerError?
    /// Whether the last result was a NULL at a Sync, which a second one may follow.
    private var isAfterNull = false

    // MARK: Sending

    /// A statement was sent, with its Sync.
    ///
    /// - Parameters:
    ///   - name: The name under which it is prepared, if that is sent with it.
    ///   - token: That of the submission, if this is its last statement.
    mutating func noteSent(_ shape: Statement.Shape, preparing name: StatementName?, ending token: SubmissionToken?) {
        if let name { expectations.append(.prepare(name: name)) }
        expectations.append(.execute(shape))
        expectations.append(.sync(token))
    }

    /// A Sync was sent that belongs to no statement.
    mutating func noteSync(_ token: SubmissionToken) {
        expectations.append(.loneSync(token))
    }

    // MARK: What comes next

    /// Whether nothing is expected.
    var isIdle: Bool { expectations.isEmpty }

    /// Whether all submissions are answered. Of a wait that was answered by its grant, the rest may still be expected.
    var isAnswered: Bool { isIdle || isAnsweredByGrant && expectations.count == (shape == nil ? 1 : 2) }

    /// The shape of the statement whose results come next; `nil` if something else comes next.
    var shape: Statement.Shape? {
        guard case .execute(let shape) = expectations.first else { return nil }
        return shape
    }

    /// Whether libpq has to be set to single rows now. That has to be done for each statement, after the end of the one before it and before
    /// its first message is read.
    var wantsSingleRows: Bool { shape == .booleans }

    /// Why the session has ended: the server's last message, if there is one.
    ///
    /// - Parameter message: libpq's message.
    func failure(orElse message: String) -> ConnectionFailure {
        lastWords.map { ConnectionFailure(.lost, $0.text, sqlState: $0.sqlState) } ?? ConnectionFailure(.lost, message)
    }

    // MARK: Receiving

    /// - Returns: Whether the notice is a wait's outcome, which no other handler is to get.
    mutating func take(_ notice: ServerError) -> Bool {
        // Other SQL, such as a trigger, may send the same message. Then it has no meaning.
        if case .waitOutcome = shape, let outcome = WaitOutcome(notice) {
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
        case .pending:
            return takeGrant() ?? pause()
        case .null:
            return pause()
        case .row(let row):
            // If the statement fails later, the rows before the error count.
            reply.append(row)
        case .rows(let rows):
            reply.result = rows
        case .complete:
            break
        case .aborted:
            // The statement's preparation has failed, and its error counts.
            break
        case .error(let error):
            return take(error)
        case .copy:
            // Impossible in pipeline mode, where libpq would report it again and again.
            return end("COPY from or to the client can't be run on this connection, so it was closed.", sqlState: "0A000")
        case .sync(let transaction):
            return takeSync(transaction)
        case .dead(let message):
            // libpq would report errors again and again.
            return .over(failure(orElse: message))
        }
        return .proceed
    }

    /// The wait whose results come at present has been granted, and the rest of its results has not come.
    private mutating func takeGrant() -> Step? {
        guard !isAnsweredByGrant, waitOutcome?.outcome == .granted, shape == .waitOutcome(grantLasts: true), reply.error == nil,
            lastWords == nil, expectations.count > 1, case .sync(let token?) = expectations[1]
        else { return nil }
        isAnsweredByGrant = true
        reply.note(.granted, nil)
        return answer(token)
    }

    private mutating func answer(_ token: SubmissionToken) -> Step {
        defer {
            reply = Reply()
            if !earlier.isEmpty { earlier = [] }
        }
        return .answered(token, Replies(earlier, last: reply))
    }

    private mutating func takeNull() -> Step {
        switch expectations.first {
        case .prepare, .execute:
            expectations.removeFirst()
            return .advanced
        case .sync, .loneSync, nil:
            // An error that comes with the Sync, for instance of a deferred constraint, is followed by a NULL of its own, before libpq parses
            // the rest of its input. Two NULLs in a row mean that there is no further input.
            isAfterNull.toggle()
            return isAfterNull ? .proceed : pause()
        }
    }

    private mutating func take(_ error: ServerError) -> Step {
        if error.endsSession {
            // The socket is closed some milliseconds later. Before that, other sessions get this session's locks.
            lastWords = error
            return .over(failure(orElse: error.text))
        }
        // The first error is the reason for the following ones.
        if reply.error == nil { reply.error = error }
        guard case .prepare(let name) = expectations.first else { return .proceed }
        return .unprepared(name: name)
    }

    private mutating func takeSync(_ transaction: Reply.Transaction) -> Step {
        // An error can come with the Sync. With a Sync that belongs to no statement, it has no meaning.
        defer {
            reply = Reply()
            isAnsweredByGrant = false
        }
        switch expectations.popFirst() {
        case .loneSync(let token):
            return .answered(token, Replies())
        case .sync(let token):
            reply.transaction = transaction
            if let (outcome, message) = waitOutcome { reply.note(outcome, message) }
            waitOutcome = nil
            guard !isAnsweredByGrant else { return .advanced }
            guard let token else {
                earlier.append(reply)
                return .advanced
            }
            return answer(token)
        case .prepare, .execute, nil:
            return end("What the server has answered did not fit what was sent, so the connection was closed.", sqlState: "08P01")
        }
    }

    private func pause() -> Step {
        // A notice announces the end of an idle session, and of all sessions of a server that stops immediately.
        lastWords == nil ? .pause : .over(failure(orElse: ""))
    }

    private mutating func end(_ message: String, sqlState: String) -> Step {
        lastWords = ServerError(severity: "FATAL", sqlState: sqlState, message: message)
        return .over(failure(orElse: message))
    }
}
