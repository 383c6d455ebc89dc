import Testing

@testable import LockCore

@Suite("Taking one lock on a checked-out session")
struct LockAttemptTests {
    typealias Reply = CheckedOutSession.Reply
    typealias Statement = CheckedOutSession.Statement

    private static let deadline = Duration.seconds(10).instant
    private static let pair = AdvisoryKey(1, 2)

    private static func attempt(
        _ scope: CheckedOutSession.Scope = .transaction,
        _ key: AdvisoryKey = 1,
        _ mode: Mode = .exclusive,
        noWait: Bool = false,
        waitsPlainly: Bool = false
    ) -> LockAttempt {
        var attempt = LockAttempt(
            key,
            mode,
            in: scope,
            deadline: deadline,
            noWait: noWait,
            answerLimit: .seconds(5),
            waitsPlainly: waitsPlainly
        )
        if scope == .transaction { attempt.beginning = [.begin] }
        return attempt
    }

    /// An attempt whose try was refused.
    private static func waiting(
        _ scope: CheckedOutSession.Scope = .transaction,
        waitsPlainly: Bool = false,
        _ configure: (inout LockAttempt) -> Void = { _ in }
    ) -> LockAttempt {
        var attempt = attempt(scope, waitsPlainly: waitsPlainly)
        configure(&attempt)
        _ = attempt.begin(now: .zero)
        if !waitsPlainly { _ = attempt.answered([.ok, .row(false)], .settled(cause: nil), now: .zero) }
        return attempt
    }

    // MARK: Trying

    @Test("a lock is tried first, in one round trip with what is sent ahead, and one that is free is held")
    func free() {
        var attempt = Self.attempt()
        let submission = attempt.begin(now: Duration.seconds(1).instant)
        #expect(submission.statements == [.begin, .tryLock(1, .exclusive)])
        #expect(submission.deadline == Self.deadline)
        #expect(submission.answerBy == Duration.seconds(6).instant)
        #expect(submission.lockWait == nil && submission.renewals == nil && submission.isCancellable && submission.isUndone)
        #expect(attempt.answered([.ok, .row(true)], .settled(cause: nil), now: .zero) == .held)
    }

    @Test("a lock that is taken is waited for, without what was sent ahead, and without a limit for the answer", arguments: [1, pair])
    func taken(key: AdvisoryKey) throws {
        var attempt = Self.attempt(.session, key, .shared)
        #expect(attempt.begin(now: .zero).statements == [.tryLock(key, .shared)])
        let decision = attempt.answered([.row(false)], .settled(cause: nil), now: .zero)
        guard case .send(let submission) = decision else { throw Unexpected(decision) }
        #expect(submission.statements == [.setAwaited(key), .wait(key.space, .shared)])
        #expect(submission.deadline == Self.deadline && submission.answerBy == nil && submission.isUndone)
        #expect(submission.lockWait == key && submission.renewals == 0)
        #expect(attempt.answered([.ok, .granted], .settled(cause: nil), now: .zero) == .held)
    }

    @Test("what was sent ahead of a try is not sent again with the wait")
    func sentOnce() throws {
        var attempt = Self.attempt()
        _ = attempt.begin(now: .zero)
        let decision = attempt.answered([.ok, .row(false)], .settled(cause: nil), now: .zero)
        guard case .send(let submission) = decision else { throw Unexpected(decision) }
        #expect(submission.statements == [.setAwaited(1), .wait(.int8, .exclusive)])
    }

    @Test("a try that is refused does not wait, whatever the deadline", arguments: [nil, .timedOut(nil)] as [Engine.EndCause?])
    func refused(cause: Engine.EndCause?) {
        var attempt = Self.attempt(noWait: true)
        _ = attempt.begin(now: .zero)
        #expect(attempt.answered([.ok, .row(false)], .settled(cause: cause), now: Self.deadline) == .refused)
    }

    @Test("a try that was to be refused at its deadline is a lock that is taken, and is not waited for")
    func refusedAtDeadline() {
        for cause in [nil, .timedOut(nil)] as [Engine.EndCause?] {
            var attempt = Self.attempt()
            _ = attempt.begin(now: .zero)
            #expect(attempt.answered([.ok, .row(false)], .settled(cause: cause), now: Self.deadline) == .failed(.timedOut(nil)))
        }
    }

    @Test("in a transaction that may be deferrable, and where waits are plain, there is no try before the wait")
    func noTry() {
        var attempt = Self.attempt()
        attempt.mayDefer = true
        #expect(attempt.begin(now: .zero).statements == [.begin, .setAwaited(1), .wait(.int8, .exclusive)])
        attempt = Self.attempt(waitsPlainly: true)
        let submission = attempt.begin(now: .zero)
        #expect(submission.statements == [.begin, .lock(1, .exclusive)])
        #expect(submission.lockWait == 1 && submission.answerBy == nil && submission.renewals == 0)
        #expect(attempt.answered([.ok, .ok], .settled(cause: nil), now: .zero) == .held)
    }

    @Test("a call that does not wait is a try also where there would be none before a wait")
    func onlyTry() {
        var attempt = Self.attempt(noWait: true, waitsPlainly: true)
        attempt.mayDefer = true
        let submission = attempt.begin(now: .zero)
        #expect(submission.statements == [.begin, .tryLock(1, .exclusive)])
        #expect(submission.answerBy != nil)
    }

    // MARK: Beginning anew

    @Test(
        "a wait that is to be begun anew is undone, and tried and counted again",
        arguments: [Reply.endedWait, .failed(.cancelledByServer)]
    )
    func renewed(reply: Reply) throws {
        var attempt = Self.waiting()
        for count in 1...3 {
            #expect(attempt.answered([.ok, reply], .settled(cause: .renewed), now: .zero) == .undo)
            #expect(attempt.begin(now: .zero).statements == [.begin, .tryLock(1, .exclusive)])
            let decision = attempt.answered([.ok, .row(false)], .settled(cause: nil), now: .zero)
            guard case .send(let submission) = decision else { throw Unexpected(decision) }
            #expect(submission.renewals == count)
        }
        #expect(!attempt.waitsPlainly)
    }

    @Test("a wait that must not be begun anew is submitted as not renewable")
    func notRenewable() throws {
        var attempt = Self.attempt()
        attempt.isRenewable = false
        _ = attempt.begin(now: .zero)
        let decision = attempt.answered([.ok, .row(false)], .settled(cause: nil), now: .zero)
        guard case .send(let submission) = decision else { throw Unexpected(decision) }
        #expect(submission.renewals == nil)
    }

    @Test("a wait that was granted, or has failed, in the moment of its renewal is not begun anew")
    func outrunRenewal() {
        var attempt = Self.waiting()
        #expect(attempt.answered([.ok, .granted], .settled(cause: .renewed), now: .zero) == .held)
        attempt = Self.waiting()
        #expect(attempt.answered([.ok, .failed(.deadlocked)], .settled(cause: .renewed), now: .zero) == .failed(.failed(.deadlocked)))
    }

    // MARK: Waiting plainly

    @Test(
        "without PL/pgSQL, or the right to it, the wait is undone, and begun anew as a plain one",
        arguments: [Failure.noLanguage, .noPrivilege]
    )
    func noLanguage(failure: Failure) {
        var attempt = Self.waiting()
        #expect(attempt.answered([.ok, .failed(failure)], .settled(cause: nil), now: .zero) == .undo)
        #expect(attempt.waitsPlainly)
        #expect(attempt.begin(now: .zero).statements == [.begin, .lock(1, .exclusive)])
        #expect(attempt.answered([.ok, .ok], .settled(cause: nil), now: .zero) == .held)
    }

    @Test("a wait that does not report what has ended it does not count as granted")
    func silent() {
        var attempt = Self.waiting()
        #expect(attempt.answered([.ok, .ok], .settled(cause: nil), now: .zero) == .undo)
        #expect(attempt.waitsPlainly)
    }

    @Test("a plain wait that fails fails, also by a missing right")
    func plainFails() {
        for failure in [Failure.noPrivilege, .deadlocked, .full] {
            var attempt = Self.waiting(waitsPlainly: true)
            #expect(attempt.answered([.ok, .failed(failure)], .settled(cause: nil), now: .zero) == .failed(.failed(failure)))
        }
    }

    @Test("a wait that fails for another reason is not begun anew", arguments: [Failure.deadlocked, .full, .divided])
    func otherFailure(failure: Failure) {
        var attempt = Self.waiting()
        #expect(attempt.answered([.ok, .failed(failure)], .settled(cause: nil), now: .zero) == .failed(.failed(failure)))
        #expect(!attempt.waitsPlainly)
    }

    // MARK: The setting of the key

    @Test("in a session, whose statements are transactions of their own, a wait behind a setting that failed may have taken another key")
    func confused() {
        let cases: [(Failure, Engine.EndCause?, CheckedOutSession.Submission.Verdict)] = [
            (.divided, nil, .failed(.failed(.divided))),
            (.cancelledByServer, .cancelled, .failed(.settled(cause: .cancelled))),
            (.cancelledByServer, .timedOut(nil), .failed(.settled(cause: .timedOut(.unanswered)))),
            (.cancelledByServer, .renewed, .toBeginAnew),
            (.noPrivilege, nil, .failed(.failed(.noPrivilege))),
        ]
        for (failure, cause, verdict) in cases {
            var attempt = Self.waiting(.session)
            let decision = attempt.answered([.failed(failure), .granted], .settled(cause: cause), now: .zero)
            #expect(decision == .confused(verdict))
        }
    }

    @Test("in a transaction such a wait has failed, too")
    func notConfused() {
        var attempt = Self.waiting()
        let decision = attempt.answered([.failed(.divided), .failed(.inAborted)], .settled(cause: nil), now: .zero)
        #expect(decision == .failed(.failed(.divided)))
    }

    @Test("in a session a wait that failed itself is not confused")
    func failedItself() {
        var attempt = Self.waiting(.session)
        #expect(attempt.answered([.ok, .failed(.divided)], .settled(cause: nil), now: .zero) == .failed(.failed(.divided)))
    }

    // MARK: Reasons

    /// What a try or a wait was answered by, what had struck, and what counts.
    struct Reason: Sendable, CustomTestStringConvertible {
        let replies: [Reply]
        let cause: Engine.EndCause?
        let decision: LockAttempt.Decision

        init(_ replies: [Reply], _ cause: Engine.EndCause?, _ decision: LockAttempt.Decision) {
            (self.replies, self.cause, self.decision) = (replies, cause, decision)
        }

        var testDescription: String {
            let answers = replies.map { $0.failure.map { "\($0.cause)" } ?? "\($0.rows)" }
            return "\(answers), \(cause.map { "\($0)" } ?? "no cause")"
        }
    }

    @Test(
        "of several reasons for the end of a try, the right one is reported",
        arguments: [
            Reason([.ok, .row(true)], .cancelled, .failed(.cancelled)),
            Reason([.ok, .row(false)], .cancelled, .failed(.cancelled)),
            Reason([.ok, .failed(.cancelledByServer)], .cancelled, .failed(.cancelled)),
            Reason([.ok, .failed(.divided)], .cancelled, .failed(.failed(.divided))),
            Reason([.ok, .row(true)], .timedOut(nil), .failed(.timedOut(.unanswered))),
            Reason([.ok, .failed(.cancelledByServer)], .timedOut(nil), .failed(.timedOut(.unanswered))),
            Reason([.ok, .failed(.full)], .timedOut(nil), .failed(.failed(.full))),
            Reason([.failed(.cancelledByServer), .failed(.inAborted)], .cancelled, .failed(.cancelled)),
            Reason([.failed(.divided), .failed(.cancelledByServer)], .cancelled, .failed(.failed(.divided))),
            Reason([.ok, .failed(.cancelledByServer)], nil, .failed(.failed(.cancelledByServer))),
            Reason([.ok, .row(true)], nil, .held),
        ]
    )
    func tryReasons(reason: Reason) {
        var attempt = Self.attempt()
        _ = attempt.begin(now: .zero)
        #expect(attempt.answered(reason.replies, .settled(cause: reason.cause), now: .zero) == reason.decision)
    }

    @Test(
        "of several reasons for the end of a wait, the right one is reported, and only a wait that the server has ended was for a taken lock",
        arguments: [
            Reason([.ok, .granted], .cancelled, .failed(.cancelled)),
            Reason([.ok, .endedWait], .cancelled, .failed(.cancelled)),
            Reason([.ok, .failed(.deadlocked)], .cancelled, .failed(.failed(.deadlocked))),
            Reason([.ok, .granted], .timedOut(nil), .failed(.timedOut(.unanswered))),
            Reason([.ok, .endedWait], .timedOut(nil), .failed(.timedOut(nil))),
            Reason([.ok, .failed(.cancelledByServer)], .timedOut(nil), .failed(.timedOut(nil))),
            Reason([.failed(.cancelledByServer), .failed(.inAborted)], .timedOut(nil), .failed(.timedOut(.unanswered))),
            Reason([.ok, .failed(.deadlocked)], .timedOut(nil), .failed(.failed(.deadlocked))),
            Reason([.ok, .endedWait], nil, .failed(.failed(.cancelledByServer))),
            Reason([.ok, .granted], nil, .held),
        ]
    )
    func waitReasons(reason: Reason) {
        var attempt = Self.waiting()
        #expect(attempt.answered(reason.replies, .settled(cause: reason.cause), now: .zero) == reason.decision)
    }

    @Test("a session that is lost ends a try and a wait by its loss")
    func lost() {
        var attempt = Self.attempt()
        _ = attempt.begin(now: .zero)
        #expect(attempt.answered([], .failed(.lost), now: .zero) == .failed(.failed(.lost)))
        attempt = Self.waiting()
        #expect(attempt.answered([.ok], .failed(.lost), now: .zero) == .failed(.failed(.lost)))
    }

    @Test(
        "a statement that is not undone counts if it has ended before its cancellation",
        arguments: [
            (Reply.ok, .cancelled, nil), (.ok, .timedOut(nil), nil), (.row(false), .cancelled, nil),
            (.failed(.cancelledByServer), .cancelled, .cancelled),
            (.failed(.cancelledByServer), .timedOut(nil), .timedOut(.unanswered)),
            (.failed(.divided), .cancelled, .failed(.divided)),
        ] as [(Reply, Engine.EndCause, Engine.Outcome?)]
    )
    func notUndone(reply: Reply, cause: Engine.EndCause, failure: Engine.Outcome?) {
        let submission = CheckedOutSession.Submission(statements: [.body])
        #expect(submission.failure([reply], .settled(cause: cause)) == failure)
    }

    @Test("a refused try, and a wait that reports its end, have certainly taken nothing")
    func refusal() {
        let refusals: [(Reply, Bool)] = [
            (.row(false), true), (.row(true), false), (.ok, false), (.granted, false), (.endedWait, true), (.failed(.divided), false),
        ]
        for (reply, isRefusal) in refusals { #expect(reply.isRefusal == isRefusal) }
    }
}

/// What a test can't go on with.
struct Unexpected: Error {
    let what: String

    init(_ what: Any) { self.what = "\(what)" }
}

extension Engine.Outcome {
    static let cancelled = Self.settled(cause: .cancelled)

    static func timedOut(_ failure: Failure?) -> Self { .settled(cause: .timedOut(failure)) }
}

extension Instant {
    static let zero = Instant(nanoseconds: 0)
}
