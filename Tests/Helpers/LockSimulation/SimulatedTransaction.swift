import LockCore
import LockServerModel

/// A user of `withTransaction`: asks for a turn, a session and a transaction, does something in it, and commits or rolls back.
final class SimulatedTransaction {
    private let task: SimulatedTask
    private let process: SimulatedProcess
    private let first: (key: AdvisoryKey, mode: Mode)?
    private let noWait: Bool
    private let deadline: Instant?
    private let cancelAt: Instant?

    private var turn: RequestID?
    /// For how long the turn is kept.
    private var turnTimeout = Duration.seconds(1)
    /// How many steps the body has.
    private var rounds: Int
    /// Whether a statement of the body has failed, and the body has not reacted.
    private var hasFailed = false
    /// Whether the body has sent a COMMIT of its own, which may be carried out although its answer is lost.
    private var mayBeCommitted = false

    private var chance: Chance { task.chance }

    init(_ task: SimulatedTask) {
        self.task = task
        process = task.process
        first = task.chance.happens(0.1) ? nil : (task.randomKey(), task.chance.happens(task.profile.readers) ? .shared : .exclusive)
        noWait = task.chance.happens(0.15)
        rounds = task.chance.number(0...task.chance.one(of: [2, 6, 15]))
        let (limits, now) = (task.limits(), process.now)
        // A call that does not wait for locks waits for the server.
        deadline = (noWait ? process.profile.engine.connectTimeout : limits.deadline).map { now.advanced(by: $0) }
        cancelAt = limits.cancelAfter.map { now.advanced(by: $0) }
    }

    // MARK: Beginning

    /// How long the call that is made now may last.
    private var limit: Duration? {
        [deadline, cancelAt].compactMap(\.self).min().map { max(process.now.duration(to: $0), .zero) }
    }

    /// Whether the caller's limit has passed. (A call that is cancelled before it begins would not be cancelled at all.)
    private var isOver: Bool { limit.map { $0 == .zero } ?? false }

    private func cancel(_ id: RequestID) {
        task.cancel(id, after: cancelAt.map { max(process.now.duration(to: $0), .zero) })
    }

    func begin() {
        guard let first else { return checkOut() }
        let request = LockTable.Request(first.key, first.mode, scope: .transaction, noWait: noWait)
        // A shared one may queue behind a try of this process that is held back until the server's lock table has room.
        let id = process.call(
            within: first.mode == .shared ? limit : task.limit(limit, noWait: noWait),
            { [process, deadline] engine, id, now in
                process.turns[id] = (first.key, process.agenda.now)
                engine.acquire(id, request, deadline: deadline, now: now)
            },
            completion: { [self] id, outcome in
                guard outcome == .granted else {
                    process.leaveTurn(id)
                    task.check(outcome, noWait: noWait, deadline: deadline, cancelAt: cancelAt)
                    return task.next()
                }
                turn = id
                checkOut()
            }
        )
        cancel(id)
    }

    private func checkOut() {
        let turn = turn.map { (id: $0, timeout: turnTimeout) }
        let id = task.checkOut(within: limit, deadline: deadline, noWait: noWait, turn: turn, cancelAt: cancelAt) {
            [self] connection, hasYielded in
            if hasYielded { return takeTurnAnew() }
            guard let connection,
                let session = SimulatedCheckOut(.transaction, first: first, turn: turn?.id, on: connection, of: process)
            else { return endTurn() }
            open(session)
        }
        cancel(id)
    }

    /// Other requests have wanted the turn.
    private func takeTurnAnew() {
        process.ledger.yielded += 1
        turnTimeout = min(turnTimeout * 2, .seconds(60))
        endTurn { [self] in if isOver { task.next() } else { begin() } }
    }

    private func open(_ session: SimulatedCheckOut) {
        session.perform(
            cancelAt: cancelAt,
            { [self] in $0.open(deadline: deadline, noWait: noWait, waitsPlainly: process.waitsPlainly, now: $1) },
            completion: { [self] outcome in
                switch outcome {
                case .done where first == nil:
                    break
                case .locked(let position):
                    if let first { session.hold(first.key, first.mode, position) }
                default:
                    session.check(outcome, deadline: deadline, cancelAt: cancelAt, noWait: noWait)
                    return giveBack(session)
                }
                process.ledger.transactionLocks += 1
                goOn(session)
            }
        )
    }

    // MARK: The body

    private func goOn(_ session: SimulatedCheckOut) {
        session.check()
        // A body that is cancelled or has lost its locks mostly ends.
        guard rounds > 0, !(session.isGone || session.isAtEnd) || chance.happens(0.1) else { return end(session) }
        rounds -= 1
        if hasFailed, chance.happens(0.4) { return end(session) }
        if chance.happens(0.03) { markRollbackOnly(session) }
        if chance.happens(0.3) { return lock(session) }
        if chance.happens(0.15) { return lockBySQL(session) }
        run(hasFailed && chance.happens(0.8) ? .rollBackToSavepoint(name) : statement, session)
    }

    private var name: String { chance.one(of: ["one", "two"]) }

    private var statement: SimulatedBody {
        switch chance.number(0...99) {
        case 0: .commit(chained: chance.happens(0.5))
        case 1: .rollBack(chained: chance.happens(0.5))
        case 2...12: .mistake
        case 13...37: .savepoint(name)
        case 38...47: .releaseSavepoint(name)
        case 48...57: .rollBackToSavepoint(name)
        default: .work(chance.skewedDuration(process.profile.hold))
        }
    }

    private func run(_ statement: SimulatedBody, _ session: SimulatedCheckOut) {
        let limit = chance.happens(0.1) ? process.now.advanced(by: chance.skewedDuration(process.profile.hold)) : nil
        let sql = statement.sql(chance)
        if case .commit = statement { mayBeCommitted = true }
        let mayLock = chance.happens(0.1)
        // A running statement may outlast the body, whose end cancels it.
        if chance.happens(0.05) { process.plan(after: chance.skewedDuration(process.profile.hold)) { session.beginEnd() } }
        let isRefused = session.isRollbackOnly
        session.perform(body: statement, cancelAt: limit, { $0.run(sql, mayLock: mayLock, now: $1) }) { [self] outcome in
            note(outcome, session, isRefused: isRefused)
            goOn(session)
        }
    }

    /// A statement of the body has ended.
    ///
    /// - Parameter isRefused: Whether the transaction could only be rolled back when the statement was begun.
    private func note(_ outcome: CheckedOutSession.Outcome, _ session: SimulatedCheckOut, isRefused: Bool) {
        switch outcome {
        case .done, .locked, .refused:
            hasFailed = false
            if isRefused { process.ledger.report("process \(process.id) runs a statement in a transaction that is to be rolled back") }
        default:
            hasFailed = true
        }
        if case .unusable = outcome, process.profile.isCalm, !session.hasLostLocks, !session.isRollbackOnly {
            process.ledger.report("process \(process.id) is refused a statement, though no lock was lost")
        }
    }

    /// At once, or while a statement of another task runs.
    private func markRollbackOnly(_ session: SimulatedCheckOut) {
        if chance.happens(0.5) { return session.markRollbackOnly() }
        process.plan(after: chance.skewedDuration(process.profile.hold)) { session.markRollbackOnly() }
    }

    private func lock(_ session: SimulatedCheckOut) {
        let (key, mode) = (task.randomKey(), chance.happens(task.profile.readers) ? Mode.shared : .exclusive)
        let noWait = chance.happens(0.3)
        // Tasks that hold locks and wait for other locks may form a ring. So every wait has a limit.
        let deadline = process.now.advanced(by: noWait ? .seconds(30) : chance.skewedDuration(process.profile.timeout))
        let cancelAt = chance.happens(0.2) ? process.now.advanced(by: chance.skewedDuration(process.profile.timeout)) : nil
        session.perform(
            cancelAt: cancelAt,
            { [process] in $0.lock(key, mode, deadline: deadline, noWait: noWait, waitsPlainly: process.waitsPlainly, now: $1) },
            completion: { [self, isRefused = session.isRollbackOnly] outcome in
                if isRefused { note(outcome, session, isRefused: true) }
                switch outcome {
                case .locked(let position):
                    session.hold(key, mode, position)
                    process.ledger.transactionLocks += 1
                case .unusable, .atEnd:
                    hasFailed = true
                default:
                    // A statement that has failed before fails again.
                    if !hasFailed { session.check(outcome, deadline: deadline, cancelAt: cancelAt, noWait: noWait) }
                    if case .failed = outcome { hasFailed = true }
                }
                goOn(session)
            }
        )
    }

    // MARK: Locks by SQL

    /// As a `ConnectionLock` on the transaction takes its lock, sometimes behind a savepoint.
    private func lockBySQL(_ session: SimulatedCheckOut) {
        guard !hasFailed, chance.happens(0.5) else { return lockBySQL(session, behind: nil) }
        let savepoint = name
        runForLock(.savepoint(savepoint), session) { [self] _ in lockBySQL(session, behind: savepoint) }
    }

    private func lockBySQL(_ session: SimulatedCheckOut, behind savepoint: String?) {
        let (key, mode) = (task.randomKey(), chance.happens(task.profile.readers) ? Mode.shared : .exclusive)
        let waits = chance.happens(0.5)
        let body = waits ? SimulatedBody.wait(key, mode, limit: chance.skewedDuration(process.profile.timeout)) : .tryLock(key, mode)
        runForLock(body, session) { [self] isDone in
            guard isDone, session.bodyRows.first == true else { return goOn(session) }
            guard waits else { return noteLock(key, mode, behind: savepoint, session) }
            // The session is asked how the wait has ended. Without an answer the lock is of no use.
            runForLock(.work(.zero), session) { [self] isDone in
                if isDone { return noteLock(key, mode, behind: savepoint, session) }
                session.leaveUnnoted()
                goOn(session)
            }
        }
    }

    private func runForLock(_ body: SimulatedBody, _ session: SimulatedCheckOut, completion: @escaping (_ isDone: Bool) -> Void) {
        let isRefused = session.isRollbackOnly
        session.perform(body: body, { [chance] in $0.run(body.sql(chance), mayLock: true, now: $1) }) { [self] outcome in
            note(outcome, session, isRefused: isRefused)
            completion(outcome == .done)
        }
    }

    /// Another task of the body may have begun a statement before the library hears of the lock.
    private func noteLock(_ key: AdvisoryKey, _ mode: Mode, behind savepoint: String?, _ session: SimulatedCheckOut) {
        guard !hasFailed, chance.happens(0.5) else {
            session.noteLock(key, mode)
            return goOn(session)
        }
        var isNoted = false
        let note = {
            if !isNoted { session.noteLock(key, mode) }
            isNoted = true
        }
        let statement: SimulatedBody = chance.one(of: [
            .mistake, .work(chance.skewedDuration(process.profile.hold)), .savepoint(name), .releaseSavepoint(name),
            .rollBackToSavepoint(savepoint ?? name), .rollBackToSavepoint(savepoint ?? name),
        ])
        let (sql, isRefused) = (statement.sql(chance), session.isRollbackOnly)
        session.perform(body: statement, { $0.run(sql, mayLock: false, now: $1) }) { [self] outcome in
            self.note(outcome, session, isRefused: isRefused)
            note()
            goOn(session)
        }
        if chance.happens(0.5) {
            note()
        } else {
            process.plan(after: chance.duration(.zero...process.profile.latency.upperBound * 2), note)
        }
    }

    // MARK: Ending

    private func end(_ session: SimulatedCheckOut) {
        session.beginEnd()
        // The body does not count its locks as held any more.
        session.letGoOfAll()
        if chance.happens(hasFailed ? 0.3 : 0.7) { commit(session) } else { rollBack(session) }
    }

    private func commit(_ session: SimulatedCheckOut) {
        let number = session.number
        session.perform {
            $0.commit(now: $1)
        } completion: { [self] outcome in
            switch outcome {
            case .commitAnswered, .commitUnknown:
                guard session.isRollbackOnly else { break }
                process.ledger.report("process \(process.id) sends a COMMIT for a transaction that is to be rolled back")
            default:
                break
            }
            switch outcome {
            case .commitAnswered(tag: "COMMIT"):
                process.ledger.commits += 1
                if let number { process.ledger.checkCommitted(number) }
            case .commitUnknown:
                process.ledger.unknownCommits += 1
            default:
                process.ledger.refusedCommits += 1
                if let number, !mayBeCommitted { process.ledger.checkRolledBack(number) }
            }
            giveBack(session)
        }
    }

    private func rollBack(_ session: SimulatedCheckOut) {
        let number = session.number
        session.perform {
            $0.rollBack(now: $1)
        } completion: { [self] _ in
            if let number, !mayBeCommitted { process.ledger.checkRolledBack(number) }
            giveBack(session)
        }
    }

    private func giveBack(_ session: SimulatedCheckOut) {
        session.giveBack()
        endTurn()
    }

    private func endTurn(then goOn: (() -> Void)? = nil) {
        let goOn = goOn ?? { [task] in task.next() }
        guard let turn else { return goOn() }
        self.turn = nil
        process.leaveTurn(turn)
        process.begin(turn, within: .zero, { $0.release(turn, now: $1) }) { _ in goOn() }
    }
}
