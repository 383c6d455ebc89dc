import LibPQ
import LockCore

// How transactions and sessions take locks on their connection: by a try, and if that is refused by a wait that leaves no line in the
// server's log when it is ended. So a lock that is free costs no more than a plain statement, and one that is taken a round trip more.
extension LockManager {
    /// Takes a lock until the end of the transaction, or of the session.
    ///
    /// - Parameters:
    ///   - beginning: What is sent ahead of it, in the same round trip.
    ///   - isRenewable: Whether a wait that holds up others is begun anew.
    ///   - undo: Takes back all that was sent, before it is sent anew.
    /// - Returns: `false` if a try was refused.
    /// - Throws: Like ``send(_:on:limit:keys:isUndone:lockWait:mayBlock:renewals:)``. What was sent is still to be taken back then;
    ///   ``LentConnection/isRefused`` says whether the lock is certainly not held.
    func takeLock(
        _ key: LockKey,
        _ mode: LockMode,
        _ limit: WaitLimit,
        isTry: Bool,
        after beginning: [Statement] = [],
        isRenewable: Bool = true,
        on state: LentConnection,
        undo: () async throws -> Void
    ) async throws -> Bool {
        var renewals = 0
        state.beginAsking()
        while true {
            // A transaction that may be deferrable waits for its snapshot, also with a try, and has only the limits of a wait.
            let isAskedFirst = !waitsPlainly && !(state.borrower == .transaction && state.mayDefer)
            do {
                var statements = beginning
                if isTry || isAskedFirst {
                    let attempt = LockStatements.lock(for: key.advisory, mode.core, until: state.borrower, isTry: true)
                    let replies = try await send(
                        statements + [attempt],
                        on: state,
                        limit: limit,
                        keys: [key],
                        isUndone: true,
                        mayBlock: false
                    )
                    let isHeld = replies.last?.booleans.first == true
                    if isHeld || isTry { return isHeld }
                    if let deadline = limit.deadline, deadline <= now {
                        let outcome = Engine.Outcome.settled(cause: .timedOut(nil))
                        throw error(for: outcome, keys: [key], limit: limit.duration, isNested: limit.isDefault)
                    }
                    statements = []
                }
                try await wait(for: key, mode, limit, after: statements, renewals: isRenewable ? renewals : nil, on: state)
                return true
            } catch is WaitToBeginAnew {
                renewals += 1
                try await undo()
            }
        }
    }

    private func wait(
        for key: LockKey,
        _ mode: LockMode,
        _ limit: WaitLimit,
        after beginning: [Statement],
        renewals: Int?,
        on state: LentConnection
    ) async throws {
        let isPlain = waitsPlainly
        let statements =
            isPlain
            ? [LockStatements.lock(for: key.advisory, mode.core, until: state.borrower, isTry: false)]
            : [
                LockStatements.prepareWait(for: key.advisory, until: state.borrower),
                LockStatements.wait(in: key.advisory.space, mode.core, until: state.borrower),
            ]
        do {
            let replies = try await send(
                beginning + statements,
                on: state,
                limit: limit,
                keys: [key],
                isUndone: true,
                lockWait: key,
                renewals: renewals
            )
            if isPlain || replies.last?.waitOutcome == .granted { return }
        } catch {
            if state.borrower == .session, state.hasFailedEarly {
                // The wait may have been for a key that was set before, and have taken that.
                giveUp(state, Failure(.connectionLost, "Which lock the session has waited for can't be found out."))
                throw error
            }
            guard !isPlain, let sqlState = (error as? LockError)?.sqlState, isOfMissingLanguage(sqlState) else { throw error }
        }
        waitPlainly()
        throw WaitToBeginAnew()
    }
}
