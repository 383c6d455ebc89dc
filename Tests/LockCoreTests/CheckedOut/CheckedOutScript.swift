import Testing

@testable import LockCore

/// A checked-out session with a clock that the test sets. The test sees what is sent, answers it, and sees what that has led to.
struct CheckedOutScript {
    typealias Reply = CheckedOutSession.Reply
    typealias Statement = CheckedOutSession.Statement

    var session: CheckedOutSession
    var now = Instant(nanoseconds: 0)
    /// What is to be answered.
    private(set) var submission: CheckedOutSession.Submission?
    /// Whether the session lives for certain is to be said.
    private(set) var isToCertify = false
    /// How the last operation has ended.
    private(set) var outcome: CheckedOutSession.Outcome?
    /// Whether the test does what can't happen.
    var isFaulty = false
    private var events: [CheckedOutSession.Event] = []

    init(
        _ scope: CheckedOutSession.Scope,
        first: AdvisoryKey? = nil,
        _ mode: Mode = .exclusive,
        _ configure: (inout CheckedOutSession.Settings) -> Void = { _ in }
    ) {
        var settings = CheckedOutSession.Settings()
        settings.answerLimit = .seconds(5)
        settings.commitLimit = .seconds(7)
        configure(&settings)
        session = CheckedOutSession(scope, first: first.map { ($0, mode) }, settings)
    }

    // MARK: Looking in

    var sent: [Statement]? { submission?.statements }
    var isClean: Bool { session.isClean }
    var isLost: Bool { session.loss != nil }
    var heldKeys: [AdvisoryKey] { session.heldKeys }

    /// What has happened since the last look.
    mutating func takeEvents() -> [CheckedOutSession.Event] {
        defer { events = [] }
        return events
    }

    // MARK: Operations

    mutating func open(within limit: Duration? = nil, noWait: Bool = false, waitsPlainly: Bool = false) {
        let deadline = limit.map { now.advanced(by: $0) }
        begin { $0.open(deadline: deadline, noWait: noWait, waitsPlainly: waitsPlainly, now: $1) }
    }

    mutating func lock(
        _ key: AdvisoryKey,
        _ mode: Mode = .exclusive,
        within limit: Duration? = nil,
        noWait: Bool = false,
        waitsPlainly: Bool = false
    ) {
        let deadline = limit.map { now.advanced(by: $0) }
        begin { $0.lock(key, mode, deadline: deadline, noWait: noWait, waitsPlainly: waitsPlainly, now: $1) }
    }

    mutating func run(_ sql: String, mayLock: Bool = false) { begin { $0.run(sql, mayLock: mayLock, now: $1) } }
    mutating func unlock(_ key: AdvisoryKey) { begin { $0.unlock(key, now: $1) } }
    mutating func end() { begin { $0.end(now: $1) } }
    mutating func commit() { begin { $0.commit(now: $1) } }
    mutating func rollBack() { begin { $0.rollBack(now: $1) } }

    private mutating func begin(_ operation: (inout CheckedOutSession, Instant) -> CheckedOutSession.Step) {
        guard isExpected(submission == nil && !isToCertify || isLost, "An operation is under way.") else { return }
        outcome = nil
        take(operation(&session, now))
    }

    /// The body has taken a lock by SQL of its own.
    mutating func noteLock(_ key: AdvisoryKey, _ mode: Mode) {
        session.noteLock(key, mode)
        takeSessionEvents()
    }

    // MARK: Answers

    /// The last statement is answered so, and those before succeed.
    mutating func answer(_ last: Reply = .ok, cause: Engine.EndCause? = nil) {
        let count = (submission?.statements.count ?? 0) + (submission?.further.count ?? 0)
        answer(each: Array(repeating: .ok, count: max(count - 1, 0)) + [last], cause: cause)
    }

    mutating func answer(each replies: [Reply], cause: Engine.EndCause? = nil) {
        guard isExpected(submission != nil, "Nothing is to be answered.") else { return }
        submission = nil
        take(session.answered(replies, .settled(cause: cause), now: now))
    }

    /// - Parameters:
    ///   - replies: What was answered before.
    ///   - isNoted: Whether the session has been told beside the answer.
    mutating func lose(after replies: [Reply] = [], isNoted: Bool = true) {
        guard isExpected(submission != nil, "Nothing is to be answered.") else { return }
        if isNoted { session.noteLost(.lost) }
        submission = nil
        take(session.answered(replies, .failed(.lost), now: now))
    }

    mutating func end(by outcome: Engine.Outcome) {
        submission = nil
        take(session.answered([], outcome, now: now))
    }

    mutating func certify(_ isCertain: Bool) {
        guard isExpected(isToCertify, "Nothing is to be certified.") else { return }
        isToCertify = false
        take(session.certified(isCertain, now: now))
    }

    private mutating func take(_ step: CheckedOutSession.Step) {
        takeSessionEvents()
        switch step {
        case .send(let submission):
            check(submission)
            self.submission = submission
        case .certify:
            isToCertify = true
        case .end(let outcome):
            self.outcome = outcome
        }
    }

    private mutating func takeSessionEvents() {
        while let event = session.nextEvent() { events.append(event) }
    }

    /// What the machine calls a fault, and would trap at, fails the test only.
    private func isExpected(_ condition: Bool, _ comment: Comment) -> Bool {
        guard !condition, !isFaulty else { return true }
        Issue.record(comment)
        return false
    }

    /// What is true of all that is sent.
    private func check(_ submission: CheckedOutSession.Submission) {
        #expect(!submission.statements.isEmpty)
        if submission.isCancellable {
            #expect(!session.isAtEnd || session.loss != nil, "nothing could cancel it any more")
            #expect(submission.further.isEmpty)
        } else {
            #expect(submission.deadline == nil && submission.answerBy != nil)
            #expect(submission.lockWait == nil && submission.renewals == nil)
        }
        #expect(submission.lockWait == nil || submission.answerBy == nil, "a wait is not cut off by a session that is silent")
    }

    // MARK: Situations

    /// A transaction that is open, with a lock or without one.
    static func transaction(
        _ first: AdvisoryKey? = nil,
        _ mode: Mode = .exclusive,
        further: [AdvisoryKey] = [],
        _ configure: (inout CheckedOutSession.Settings) -> Void = { _ in }
    ) -> CheckedOutScript {
        var script = CheckedOutScript(.transaction, first: first, mode, configure)
        script.open()
        script.answer(first == nil ? .ok : .row(true))
        if script.isToCertify { script.certify(true) }
        for key in further { script.take(key) }
        _ = script.takeEvents()
        return script
    }

    /// A session that holds these.
    static func session(
        holding keys: [AdvisoryKey] = [],
        _ mode: Mode = .exclusive,
        _ configure: (inout CheckedOutSession.Settings) -> Void = { _ in }
    ) -> CheckedOutScript {
        var script = CheckedOutScript(.session, first: nil, .exclusive, configure)
        for key in keys { script.take(key, mode) }
        _ = script.takeEvents()
        return script
    }

    /// Takes a lock that is free.
    mutating func take(_ key: AdvisoryKey, _ mode: Mode = .exclusive) {
        lock(key, mode)
        answer(.row(true))
        if sent == [.position] { answer(.at(1)) }
        if sent == [.releaseSavepoint(.step)] { answer() }
        if isToCertify { certify(true) }
        #expect(outcome == .locked(session.scope == .session && session.settings.isFencing ? .at(1) : nil))
    }

    /// Runs a statement of the body, with what that needs of ours, which succeeds.
    mutating func pass(_ sql: String, _ reply: Reply = .ok) {
        run(sql)
        if sent == [.setSavepoint(.base)] { answer() }
        answer(reply)
        if sent == [.setSavepoint(.base)] { answer() }
    }

    /// Runs a statement of the body that fails, and aborts the transaction.
    mutating func fail(_ sql: String = "SELECT 1/0") {
        run(sql)
        answer(.failed(.divided))
    }
}

extension CheckedOutSession.Reply {
    /// In an open transaction.
    static let ok = Self(transaction: .open)

    static func row(_ row: Bool) -> Self { Self(rows: [row], transaction: .open) }
    static func rows(_ rows: Bool...) -> Self { Self(rows: rows, transaction: .open) }
    static func at(_ location: UInt64) -> Self { Self(position: .at(location), transaction: .open) }
    static func text(_ text: String?) -> Self { Self(text: text) }

    static func tag(_ tag: String, _ transaction: CheckedOutSession.TransactionState = .open) -> Self {
        Self(tag: tag, transaction: transaction)
    }

    /// A wait that was granted.
    static let granted = Self(rows: [true], hasSaidOutcome: true, transaction: .open)
    /// A wait that was cancelled, which has taken nothing, and has not failed as a statement.
    static let endedWait = Self(failure: .cancelledByServer, hasSaidOutcome: true, transaction: .open)

    static func failed(_ failure: Failure, _ transaction: CheckedOutSession.TransactionState = .aborted) -> Self {
        Self(failure: failure, transaction: transaction)
    }
}

extension WALPosition {
    static func at(_ location: UInt64) -> Self { Self(timeline: 1, location: location) }
}

extension CheckedOutSession.Statement {
    static func unlock(_ keys: AdvisoryKey..., mode: Mode = .exclusive) -> Self {
        .unlock(Engine.Batch(.init(.unlock, mode, keys[0].space), keys))
    }

    static func areHeld(_ locks: (AdvisoryKey, Mode)...) -> Self {
        .areHeld(locks.map { .init(key: $0.0, mode: $0.1) })
    }

    static let plainReset = Self.reset(isThorough: false, mayDefer: false)
    static let thoroughReset = Self.reset(isThorough: true, mayDefer: false)
}

extension CheckedOutSession.Outcome {
    static func failed(_ failure: Failure) -> Self { .failed(.failed(failure)) }
    static func ended(_ cause: Engine.EndCause) -> Self { .failed(.settled(cause: cause)) }
}

extension Failure {
    static let divided = Failure(.statement, "Division by zero.", sqlState: "22012")
    static let inAborted = Failure(.transactionAborted, "The transaction is aborted.", sqlState: "25P02")
    static let deadlocked = Failure(.deadlock, "Deadlock detected.", sqlState: "40P01")
    static let noLanguage = Failure(.statement, "There is no language plpgsql.", sqlState: "42704")
    static let noPrivilege = Failure(.statement, "No privilege for plpgsql.", sqlState: "42501")
}
