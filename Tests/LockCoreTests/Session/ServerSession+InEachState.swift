@testable import LockCore

// Sessions in a state that is their test's starting point. All of it happens at the time 0; their key is 1.
extension ServerSession {
    static let start = Instant(nanoseconds: 0)

    static func connecting(_ role: Engine.Role = .waiting) -> ServerSession { ServerSession(1, role) }

    static func shared() -> ServerSession { after(connecting(.shared)) { _ = $0.connected(now: start) } }

    static func idle(_ role: Engine.Role = .waiting) -> ServerSession { after(connecting(role)) { _ = $0.connected(now: start) } }

    static func waiting() -> ServerSession {
        after(idle()) {
            $0.beginWait(for: 1)
            _ = $0.submit(.wait(1, .exclusive, limit: nil), now: start)
        }
    }

    static func holding() -> ServerSession {
        after(waiting()) {
            _ = $0.answered(now: start)
            $0.hold(1)
        }
    }

    static func unlocking() -> ServerSession {
        after(holding()) {
            $0.unlock(1)
            _ = $0.submit(.unlock(1), now: start)
        }
    }

    static func verifying() -> ServerSession {
        after(waiting()) {
            _ = $0.answered(now: start)
            $0.verify(1, reported: nil)
            _ = $0.submit(.releaseAll, now: start)
        }
    }

    static func recording() -> ServerSession {
        after(idle(.fencing)) {
            $0.record()
            _ = $0.submit(.position, now: start)
        }
    }

    static func checkedOut() -> ServerSession { after(idle(.checkedOut)) { $0.checkOut() } }

    /// Checked out, and runs the statement of the call 7.
    static func running(answerBy: Instant? = nil, lockWait: AdvisoryKey? = nil, renewals: Int? = nil) -> ServerSession {
        after(checkedOut()) {
            let statement = CheckOut.Statement(call: 7, sentAt: start, answerBy: answerBy, lockWait: lockWait, renewals: renewals)
            _ = $0.run(statement)
            _ = $0.submit(.statement(7), now: start)
        }
    }

    static var inEachState: [ServerSession] {
        [connecting(), shared(), idle(), waiting(), holding(), unlocking(), verifying(), recording(), checkedOut(), running()]
    }

    static func after(_ session: ServerSession, _ change: (inout ServerSession) -> Void) -> ServerSession {
        var session = session
        change(&session)
        return session
    }

    func after(_ change: (inout ServerSession) -> Void) -> ServerSession { Self.after(self, change) }

    /// All that is true of it but ``brokenInvariant``.
    var everythingElse: [String: String] {
        let fields = Mirror(reflecting: self).children.map { ($0.label ?? "", String(describing: $0.value)) }
        return Dictionary(uniqueKeysWithValues: fields).filter { $0.key != "brokenInvariant" }
    }

    func isBroken() -> Bool {
        var session = self
        session.checkInvariants()
        return session.brokenInvariant != nil
    }
}

extension CancelRequest {
    static func request(_ cause: Engine.EndCause? = nil, giveUpAt: Duration = .seconds(30)) -> CancelRequest {
        CancelRequest(onlyLockWaits: false, cause: cause, giveUpAt: giveUpAt.instant)
    }
}
