import LockCore
import LockServerModel

/// A session that is checked out for a transaction or an explicit session: carries out what ``CheckedOutSession`` decides, as
/// `LockManager` does, and checks the promises.
final class SimulatedCheckOut {
    /// A lock that the body counts as held.
    private struct Lock {
        let id: RequestID
        var mode: Mode
    }

    typealias Scope = CheckedOutSession.Scope

    let process: SimulatedProcess
    let scope: Scope
    private let connection: ConnectionID
    private let session: SimulatedSession
    private let first: (key: AdvisoryKey, mode: Mode)?
    /// The request that has the turn of the first key.
    private let turn: RequestID?
    private var machine: CheckedOutSession
    private var locks: [AdvisoryKey: Lock] = [:]
    /// Whether an error or the body itself has ended what the transaction has locked.
    private var isReleased = false
    /// The connection is lost, or given up.
    private(set) var isGone = false
    /// The call that can be cancelled.
    private var running: RequestID?

    private var ledger: Ledger { process.ledger }

    init?(
        _ scope: Scope,
        first: (key: AdvisoryKey, mode: Mode)? = nil,
        turn: RequestID?,
        on connection: ConnectionID,
        of process: SimulatedProcess
    ) {
        guard let session = process.links[connection]?.session else { return nil }
        self.process = process
        self.scope = scope
        self.connection = connection
        self.session = session
        self.first = first
        self.turn = turn
        machine = CheckedOutSession(scope, first: first, process.profile.settings)
        process.onLoss[connection] = { [self] failure in
            machine.noteLost(failure)
            lose()
        }
    }

    // MARK: Looking in

    /// The locks that the body counts as held, with the latest key last.
    var heldKeys: [AdvisoryKey] { locks.sorted { $0.value.id < $1.value.id }.map(\.key) }

    /// Whether the body has ended.
    var isAtEnd: Bool { machine.isAtEnd }

    /// The transaction as the server numbers it.
    var number: Int? { session.isAlive ? session.block.number : nil }

    /// Whether the body was told that it has lost some of its locks, or all.
    private(set) var hasLostLocks = false

    private(set) var isRollbackOnly = false

    /// The rows of the body's last statement.
    private(set) var bodyRows: [Bool] = []

    /// The statements that are under way.
    private var underWay: [CheckedOutSession.Statement] = []

    /// The body's SQL has taken a lock that the session's machine was not told of.
    private var holdsUnnoted = false

    /// The transaction's server.
    var server: SimulatedServer { session.server }

    // MARK: Operations

    /// - Parameters:
    ///   - body: What the operation asks of the server for the body.
    ///   - cancelAt: When the caller is cancelled.
    func perform(
        body: SimulatedBody? = nil,
        cancelAt: Instant? = nil,
        _ begin: (inout CheckedOutSession, Instant) -> CheckedOutSession.Step,
        completion: @escaping (CheckedOutSession.Outcome) -> Void
    ) {
        // The end of the access is found out before anything is sent.
        if isGone, let loss = machine.loss { return completion(.failed(.failed(loss))) }
        let step = begin(&machine, process.now)
        proceed(step, body, cancelAt, completion)
    }

    private func proceed(
        _ step: CheckedOutSession.Step,
        _ body: SimulatedBody?,
        _ cancelAt: Instant?,
        _ completion: @escaping (CheckedOutSession.Outcome) -> Void
    ) {
        while let event = machine.nextEvent() { carryOut(event) }
        switch step {
        case .send(let submission):
            underWay = submission.statements
            send(submission, body, cancelAt) { [self] replies, outcome in
                underWay = []
                if submission.statements == [.body] { bodyRows = replies.first?.rows ?? [] }
                proceed(machine.answered(replies, outcome, now: process.now), body, cancelAt, completion)
            }
        case .certify:
            var isCertain = false
            process.drive { isCertain = $0.guardCheckedOut(connection, now: $1) }
            proceed(machine.certified(isCertain, now: process.now), body, cancelAt, completion)
        case .end(let outcome):
            completion(outcome)
        }
    }

    private func send(
        _ submission: CheckedOutSession.Submission,
        _ body: SimulatedBody?,
        _ cancelAt: Instant?,
        completion: @escaping ([CheckedOutSession.Reply], Engine.Outcome) -> Void
    ) {
        let now = process.now
        let timeout = process.profile.engine.responseTimeout
        // Only the caller can end a statement that the server never answers.
        let isEndless = submission.deadline == nil && submission.answerBy == nil
        let isLost = isEndless && !process.profile.isCalm
        let cancelDelay = cancelAt.map { max(now.duration(to: $0), .zero) } ?? (isLost ? .seconds(30) : nil)
        let cancelAfter = submission.isCancellable ? cancelDelay : nil
        if isEndless, !submission.isCancellable { ledger.report("process \(process.id) can't end \(submission.statements)") }
        let limits = [submission.deadline, submission.answerBy].compactMap { $0.map { max(now.duration(to: $0), .zero) } }
        var replies: [CheckedOutSession.Reply] = []
        let groups = [submission.statements, submission.further].map { statements in
            statements.map { SimulatedStatement.own(.init(statement: $0, scope: scope, body: $0 == .body ? body : nil)) }
        }
        let id = process.call(
            // From then on the connection has the usual time to answer, or is given up.
            within: (limits + [cancelAfter].compactMap(\.self)).min().map { $0 + timeout + .milliseconds(1) },
            { [process] engine, id, now in
                process.submissions[id] = .init(groups: groups) { replies += $0.map(\.own) }
                engine.beginStatement(
                    id,
                    on: connection,
                    deadline: submission.deadline,
                    answerBy: submission.answerBy,
                    lockWait: submission.lockWait,
                    renewals: submission.renewals,
                    now: now
                )
            },
            completion: { [self] id, outcome in
                if running == id { running = nil }
                process.submissions[id] = nil
                completion(replies, outcome)
            }
        )
        if submission.statements.contains(.commit) { mayLoseAnswer() }
        guard submission.isCancellable else { return }
        running = id
        cancel(id, after: cancelAfter)
    }

    /// Statements that are sent now may arrive without their answers arriving.
    private func mayLoseAnswer() {
        guard process.hosts.isFaulty, process.profile.troubleEvery != nil, process.chance.happens(0.05) else { return }
        process.plan(after: process.chance.skewedDuration(process.profile.latency) * 2) { [process, connection] in
            process.links[connection]?.cut()
        }
    }

    private func cancel(_ id: RequestID, after delay: Duration?) {
        guard let delay else { return }
        process.plan(after: process.clock.duration(of: delay)) { [self] in
            process.drive { $0.cancel(id, now: $1) }
        }
    }

    /// The body has ended, while its statements may still run.
    func beginEnd() {
        machine.beginEnd()
        if let running { process.drive { $0.cancel(running, now: $1) } }
    }

    /// A `ConnectionLock` whose body has thrown rolls the transaction back at its end.
    func markRollbackOnly() {
        guard !isGone, !isAtEnd, !isRollbackOnly else { return }
        machine.markRollbackOnly()
        isRollbackOnly = true
        ledger.rollbackOnly += 1
    }

    // MARK: Locks by SQL

    /// The library is never told of a lock that the body's SQL has taken.
    func leaveUnnoted() { holdsUnnoted = true }

    /// A `ConnectionLock` has taken a lock by the body's SQL, and tells of it. Meanwhile another task may have begun a statement.
    func noteLock(_ key: AdvisoryKey, _ mode: Mode) {
        guard !isGone, !isAtEnd else { return leaveUnnoted() }
        // Nothing can be known of a lock that a rollback of the body has released before the library heard of the lock.
        let isToBeFound = underWay == [.body] || machine.isAborted || underWay.contains { if case .areHeld = $0 { true } else { false } }
        let isHeld = [mode, .exclusive].contains(session.mode(of: key))
        guard isHeld || !session.isAlive || session.block.state == .aborted || isToBeFound else { return }
        ledger.locksBySQL += 1
        machine.noteLock(key, mode)
        if var held = locks[key] {
            if held.mode == .shared, mode == .exclusive {
                held.mode = .exclusive
                locks[key] = held
                if session.mode(of: key) == .exclusive { ledger.change(process: process.id, held.id, key, to: .exclusive) }
            }
        } else {
            _ = begin(key, mode, isOrphan: !isHeld)
        }
        while let event = machine.nextEvent() { carryOut(event) }
    }

    // MARK: Locks

    /// The body is told that it has the lock.
    func hold(_ key: AdvisoryKey, _ mode: Mode, _ position: WALPosition?) {
        guard !isGone else { return }
        if let held = locks[key] {
            guard held.mode == .shared, mode == .exclusive else { return }
            locks[key]?.mode = mode
            return ledger.change(process: process.id, held.id, key, to: mode)
        }
        let id = begin(key, mode)
        guard let lease = ledger.lease(process: process.id, id, key) else { return }
        if !process.believes(in: lease) { ledger.report("process \(process.id) got key \(key) for a \(scope), but can't be certain of it") }
        guard scope == .session, process.profile.engine.isFencing else { return }
        guard let position else { return ledger.report("process \(process.id) got key \(key) for a session without a token") }
        ledger.note(SimulatedToken(position: position, index: 0), of: lease)
    }

    private func begin(_ key: AdvisoryKey, _ mode: Mode, isOrphan: Bool = false) -> RequestID {
        let lock = Lock(id: process.nextRequestID(), mode: mode)
        locks[key] = lock
        process.held[lock.id] = key
        process.grants[lock.id] = .held
        let isOrphan = isOrphan || !session.isAlive
        ledger.begin(.init(process: process.id, id: lock.id, key: key, mode: mode, session: session, isOrphan: isOrphan))
        return lock.id
    }

    /// The body does not count the lock as held any more.
    func letGo(_ key: AdvisoryKey) {
        guard let lock = locks.removeValue(forKey: key) else { return }
        guard process.grants[lock.id]?.beginRelease() == true || isGone || isReleased else {
            return ledger.report("process \(process.id) has nothing to release of \(key), on a session that lives")
        }
        process.grants[lock.id] = nil
        _ = process.letGo(of: lock.id)
    }

    func letGoOfAll() {
        for key in heldKeys { letGo(key) }
    }

    /// Its holder learns that it does not hold it any more.
    private func loseLock(_ key: AdvisoryKey) {
        guard let lock = locks.removeValue(forKey: key) else { return }
        _ = process.grants[lock.id]?.end(.lost)
        process.grants[lock.id] = nil
        _ = process.letGo(of: lock.id)
    }

    private func lose() {
        isGone = true
        if let turn { process.engine.transactionReleased(turn, now: process.now) }
        for key in heldKeys { loseLock(key) }
    }

    // MARK: Events

    private func carryOut(_ event: CheckedOutSession.Event) {
        switch event {
        case .granted:
            if let turn { process.drive { engine, _ in engine.transactionGranted(turn) } }
        case .released(let keys, let isAll, _):
            ledger.releasedByServer += keys.count
            hasLostLocks = true
            if isAll, let turn { process.drive { $0.transactionReleased(turn, now: $1) } }
            isReleased = isReleased || isAll
            // If no statement of the library fails, only lost locks are reported as lost.
            if isAll, process.profile.isCalm, session.isAlive, !session.heldKeys.isEmpty {
                ledger.report("process \(process.id): \(keys) are called lost, and session \(session.id) holds them")
            }
            release(keys)
        case .rolledBack(let key, to: let mode?):
            guard let lock = locks[key] else { break }
            locks[key]?.mode = mode
            ledger.change(process: process.id, lock.id, key, to: mode)
        case .rolledBack(let key, to: nil):
            ledger.releasedByServer += 1
            release([key])
        case .unguarded:
            process.drive { engine, _ in engine.unguardCheckedOut(connection) }
        case .verified(let isHeld):
            if isHeld { ledger.verifiedHeld += 1 }
        case .waitsPlainly:
            process.waitsPlainly = true
        case .invariantBroken(let what):
            ledger.report("process \(process.id): \(connection), \(what)")
        case .givenUp:
            guard !isGone else { break }
            process.onLoss[connection] = nil
            lose()
            process.drive { $0.giveBack(connection, isClean: false, now: $1) }
        }
    }

    private func release(_ keys: [AdvisoryKey]) {
        for key in keys {
            loseLock(key)
            // The transaction may have taken its first key again in the other mode.
            guard let first, first.key == key, !isReleased, !isGone else { continue }
            _ = begin(key, first.mode, isOrphan: session.mode(of: key) == nil)
        }
    }

    // MARK: Checks

    /// Between two operations the server holds what the body was told and what the machine knows of, and nothing else. (A transaction
    /// that has failed may have kept more.)
    func check() {
        guard !isGone, session.isAlive else { return }
        let held = session.heldKeys.keys.reduce(into: [:]) { $0[$1] = session.mode(of: $1) }
        let believed = locks.mapValues(\.mode)
        let isKept = believed.allSatisfy { held[$0.key] == $0.value || held[$0.key] == .exclusive }
        if machine.isAborted || holdsUnnoted ? !isKept : held != believed {
            ledger.report("process \(process.id): session \(session.id) holds \(held), its \(scope) believes in \(believed)")
        }
        var known = machine.holdings
        if let first, !isReleased { known[first.key] = known[first.key] ?? first.mode }
        if !isReleased, known != believed {
            ledger.report("process \(process.id): the \(scope) believes in \(believed), its machine in \(known)")
        }
    }

    /// Whether an operation may end like this, without what it was to do.
    ///
    /// - Parameters:
    ///   - deadline: Of the operation.
    ///   - cancelAt: When its caller is cancelled.
    func check(_ outcome: CheckedOutSession.Outcome, deadline: Instant? = nil, cancelAt: Instant? = nil, noWait: Bool = false) {
        switch outcome {
        case .refused where noWait: break
        case .failed(.settled(cause: .cancelled)) where machine.isAtEnd || cancelAt.map { $0 <= process.now } == true: break
        case .failed(.settled(cause: .timedOut)) where deadline.map { $0 <= process.now } == true: break
        // The body may have set a limit for locks.
        case .failed(.failed(let failure)) where failure.kind == .lockTimeout || process.profile.mayFail(by: failure.kind): break
        case _ where process.isTerminated || !process.profile.isCalm: break
        default: ledger.report("process \(process.id): an operation on a \(scope) has ended by \(outcome)")
        }
    }

    // MARK: Ending

    /// The session goes back to the pool as it is.
    func giveBack() {
        letGoOfAll()
        guard !isGone else { return }
        isGone = true
        process.onLoss[connection] = nil
        if machine.isClean { checkClean() }
        process.drive { $0.giveBack(connection, isClean: machine.isClean, now: $1) }
    }

    private func checkClean() {
        guard session.isAlive else { return }
        if !session.heldKeys.isEmpty {
            ledger.report("session \(session.id) is given back as clean, and holds \(session.heldKeys.keys.sorted())")
        }
        if session.block.state != .none { ledger.report("session \(session.id) is given back as clean, and is in a transaction") }
        if session.settings.isTouched, process.profile.hasSettings {
            ledger.report("session \(session.id) is given back as clean, as its body has left it")
        }
    }
}
