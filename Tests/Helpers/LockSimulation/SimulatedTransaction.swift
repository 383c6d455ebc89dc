import LockCore

/// A transaction as `withTransaction` runs it: a turn, a connection, a lock, some work, and the end of it all.
final class SimulatedTransaction {
    private let task: SimulatedTask
    private let process: SimulatedProcess
    private let key: AdvisoryKey
    private let mode: Mode
    private let isTry: Bool
    private let deadline: Instant?
    private let began: Instant
    private let patience: (deadline: Duration?, cancelAfter: Duration?)

    private var turn: RequestID?
    private var connection: ConnectionID?
    private var isHeld = false
    private var renewals = 0

    init(_ task: SimulatedTask) {
        self.task = task
        process = task.process
        key = task.randomKey()
        mode = task.chance.happens(0.3) ? .shared : .exclusive
        isTry = task.chance.happens(0.15)
        patience = task.patience()
        began = process.now
        deadline = patience.deadline.map { [began] in began.advanced(by: $0) }
    }

    /// What is left of the time after which the caller cancels.
    private var cancelAfter: Duration? {
        patience.cancelAfter.map { max($0 - began.duration(to: process.now), .zero) }
    }

    /// What is left of the time in which the call that is made now must end.
    private var limit: Duration? {
        [patience.deadline, patience.cancelAfter].compactMap(\.self).min().map {
            max($0 - began.duration(to: process.now), .zero)
        }
    }

    // MARK: Beginning

    func begin() {
        let request = LockTable.Request(key, mode, scope: .transaction, isTry: isTry)
        let id = process.call(
            within: limit,
            { [deadline] in $0.acquire($1, request, deadline: deadline, now: $2) },
            completion: { [self] id, outcome in
                guard outcome == .granted else { return task.next() }
                turn = id
                lend()
            }
        )
        task.cancel(id, after: cancelAfter)
    }

    private func lend() {
        let id = process.call(
            within: limit,
            { [deadline, turn] engine, id, now in
                let turn = turn.map { (id: $0, until: now.advanced(by: .seconds(1))) }
                engine.lend(id, deadline: deadline, turn: turn, now: now)
            },
            completion: { [self] _, outcome in
                if outcome == .ended(.yielded) { return takeTurnAnew() }
                guard case .lent(let connection) = outcome else { return endTurn() }
                self.connection = connection
                process.onLoss[connection] = { [self] in lose() }
                lock()
            }
        )
        task.cancel(id, after: cancelAfter)
    }

    /// Others have wanted the turn.
    private func takeTurnAnew() {
        guard let turn else { return task.next() }
        self.turn = nil
        process.ledger.yielded += 1
        process.begin(turn, within: .zero, { $0.release(turn, now: $1) }) { [self] _ in
            if isOver { task.next() } else { begin() }
        }
    }

    private func lock() {
        run(
            .transactionLock(key, mode, isTry: isTry),
            deadline: deadline,
            cancelAfter: cancelAfter,
            lockWait: isTry ? nil : key,
            renewals: isTry ? nil : renewals
        ) { [self] outcome, reply in
            if outcome == .settled(cause: .renewed), reply?.failure != nil { return lockAnew() }
            guard case .settled = outcome, let reply, reply.failure == nil, reply.rows == [true],
                let connection, let link = process.links[connection]
            else { return end() }
            claim(on: connection, link.session, isLastTry: false)
        }
    }

    /// The wait was ended because it held up others.
    private func lockAnew() {
        renewals += 1
        run(.endTransaction, cancelAfter: .seconds(30)) { [self] outcome, reply in
            guard case .settled = outcome, reply?.failure == nil, !isOver else { return end() }
            lock()
        }
    }

    /// Whether the caller's time is up. (A call that is cancelled before it begins would not be cancelled at all.)
    private var isOver: Bool { limit.map { $0 == .zero } ?? false }

    /// The lock is granted, and the caller's when it is certain.
    private func claim(on connection: ConnectionID, _ session: SimulatedSession, isLastTry: Bool) {
        var isCertain = false
        process.drive { isCertain = $0.guardLent(connection, now: $1) }
        guard !isCertain else { return hold(on: session) }
        guard !isLastTry else { return end() }
        run(.work(.zero), cancelAfter: .seconds(30)) { [self] outcome, reply in
            guard case .settled = outcome, reply?.failure == nil, self.connection == connection else { return end() }
            claim(on: connection, session, isLastTry: true)
        }
    }

    private func hold(on session: SimulatedSession) {
        isHeld = true
        if let turn { process.drive { engine, _ in engine.transactionGranted(turn) } }
        process.held[lease] = key
        process.grants[lease] = .held
        process.ledger.begin(
            .init(process: process.id, id: lease, key: key, mode: mode, session: session, isOrphan: !session.isAlive)
        )
        if let lease = process.ledger.lease(process: process.id, lease, key), !process.believes(in: lease) {
            process.ledger.report("process \(process.id), \(self.lease) got key \(key) for a transaction, but can't be certain of it")
        }
        // Nobody but the caller ends a statement that the server never answers.
        run(.work(process.chance.skewedDuration(process.profile.hold)), cancelAfter: .seconds(30)) { [self] _, _ in end() }
    }

    /// Apart from the turn's, since that ends later.
    private var lease: RequestID { turn ?? RequestID(0) }

    private func run(
        _ statement: SimulatedStatement,
        deadline: Instant? = nil,
        cancelAfter: Duration?,
        lockWait: AdvisoryKey? = nil,
        renewals: Int? = nil,
        completion: @escaping (Engine.Outcome, SimulatedReply?) -> Void
    ) {
        guard let connection else { return completion(.failed(.lost), nil) }
        var reply: SimulatedReply?
        let timeLeft = deadline.map { max(process.now.duration(to: $0), .zero) }
        let limit = [timeLeft, cancelAfter].compactMap(\.self).min()
        let id = process.call(
            // From then on the connection has the usual time to answer, or is given up.
            within: limit.map { $0 + process.profile.engine.responseTimeout + .milliseconds(1) },
            { [process] engine, id, now in
                process.statements[id] = .init(statement: statement) { reply = $0 }
                engine.beginStatement(id, on: connection, deadline: deadline, lockWait: lockWait, renewals: renewals, now: now)
            },
            completion: { _, outcome in completion(outcome, reply) }
        )
        task.cancel(id, after: cancelAfter)
    }

    // MARK: Ending

    private func end() {
        endLease()
        rollBack()
    }

    /// As `isRolledBack` does it: with a limit, after which the connection is given up.
    private func rollBack() {
        guard let connection else { return endTurn() }
        var isClean = false
        let timeout = process.profile.engine.responseTimeout
        let deadline = process.now.advanced(by: timeout)
        process.call(
            within: timeout * 2 + .milliseconds(1),
            { [process] engine, id, now in
                process.statements[id] = .init(statement: .endTransaction) { isClean = $0.failure == nil }
                engine.beginStatement(id, on: connection, deadline: deadline, now: now)
            },
            completion: { [self] _, _ in
                if self.connection != nil {
                    process.onLoss[connection] = nil
                    self.connection = nil
                    process.drive { [isClean] in $0.giveBack(connection, isClean: isClean, now: $1) }
                }
                endTurn()
            }
        )
    }

    private func endTurn() {
        guard let turn else { return task.next() }
        self.turn = nil
        process.begin(turn, within: .zero, { $0.release(turn, now: $1) }) { [task] _ in task.next() }
    }

    private func lose() {
        connection = nil
        if let turn { process.engine.transactionReleased(turn, now: process.now) }
        _ = process.grants[lease]?.end(.lost)
        endLease()
    }

    private func endLease() {
        guard isHeld else { return }
        isHeld = false
        _ = process.grants[lease]?.beginRelease()
        process.grants[lease] = nil
        process.held[lease] = nil
        process.ledger.end(process: process.id, lease, key)
    }
}
