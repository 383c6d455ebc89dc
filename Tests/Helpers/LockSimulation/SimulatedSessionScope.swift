import LockCore

/// Locks inside locks on one session, as `withSession` has them: a connection, some locks one after the other, some of them
/// given back, and the end of it all.
final class SimulatedSessionScope {
    private struct Lock {
        let id: RequestID
        let key: AdvisoryKey
        let mode: Mode
    }

    private let task: SimulatedTask
    private let process: SimulatedProcess
    private var wanted: [(key: AdvisoryKey, mode: Mode)]
    private var locks: [Lock] = []
    private var connection: ConnectionID?
    private var session: SimulatedSession?

    init(_ task: SimulatedTask) {
        self.task = task
        process = task.process
        var modes: [AdvisoryKey: Mode] = [:]
        for _ in 0..<task.chance.number(1...3) {
            modes[task.randomKey()] = task.chance.happens(0.3) ? .shared : .exclusive
        }
        // In one order: the model breaks no deadlocks.
        wanted = modes.sorted { $0.key > $1.key }.map { ($0.key, $0.value) }
    }

    // MARK: Beginning

    func begin() {
        // What holds connections while it waits for locks, and the other way round, may form a ring. So every wait has a limit.
        let limit = task.chance.skewedDuration(process.profile.patience)
        let deadline = process.now.advanced(by: limit)
        process.call(
            within: limit,
            { $0.lend($1, deadline: deadline, now: $2) },
            completion: { [self] _, outcome in
                guard case .lent(let connection) = outcome else { return task.next() }
                guard let link = process.links[connection] else { return task.next() }
                self.connection = connection
                session = link.session
                process.onLoss[connection] = { [self] in lose() }
                proceed()
            }
        )
    }

    // MARK: Taking and giving back

    private func proceed() {
        checkHeld()
        if !locks.isEmpty, task.chance.happens(0.2) { return unlock(locks.removeLast()) }
        guard let (key, mode) = wanted.popLast() else { return end() }
        lock(key, mode)
    }

    private func lock(_ key: AdvisoryKey, _ mode: Mode) {
        let isTry = task.chance.happens(0.3)
        let limit = isTry ? nil : task.chance.skewedDuration(process.profile.patience)
        run(.transactionLock(key, mode, isTry: isTry), limit: limit ?? .seconds(30)) { [self] id, outcome, reply in
            guard case .settled(cause: nil) = outcome, let reply, reply.failure == nil else { return proveNotHeld(key, mode) }
            guard reply.rows == [true] else { return proceed() }
            guardLock(Lock(id: id, key: key, mode: mode), isLastTry: false)
        }
    }

    /// As `guardLocks` does it: the session has to have answered something lately.
    private func guardLock(_ lock: Lock, isLastTry: Bool) {
        guard let connection else { return end() }
        var isCertain = false
        process.drive { isCertain = $0.guardLent(connection, now: $1) }
        guard !isCertain else { return hold(lock) }
        guard !isLastTry else { return giveUp() }
        run(.work(.zero), limit: .seconds(30)) { [self] _, outcome, reply in
            guard case .settled = outcome, reply?.failure == nil else { return giveUp() }
            guardLock(lock, isLastTry: true)
        }
    }

    private func hold(_ lock: Lock) {
        guard let session else { return end() }
        locks.append(lock)
        process.held[lock.id] = lock.key
        process.grants[lock.id] = .held
        process.ledger.sessionLocks += 1
        process.ledger.begin(
            .init(
                process: process.id,
                id: lock.id,
                key: lock.key,
                mode: lock.mode,
                session: session,
                isOrphan: !session.isAlive
            )
        )
        if let lease = process.ledger.lease(process: process.id, lock.id, lock.key), !process.believes(in: lease) {
            process.ledger.report("process \(process.id) got key \(lock.key) for a session, but can't be certain of it")
        }
        run(.work(task.chance.skewedDuration(process.profile.hold)), limit: .seconds(30)) { [self] _, _, _ in proceed() }
    }

    /// Grant and error race inside the server.
    private func proveNotHeld(_ key: AdvisoryKey, _ mode: Mode) {
        run(.batch(Engine.Batch(.init(.unlock, mode, key.space), [key])), limit: nil) { [self] _, outcome, reply in
            guard case .settled = outcome, reply?.rows.count == 1 else { return giveUp() }
            proceed()
        }
    }

    private func unlock(_ lock: Lock) {
        endHold(lock)
        if locks.isEmpty, let connection { process.drive { engine, _ in engine.unguardLent(connection) } }
        let unlock = Engine.Batch(.init(.unlock, lock.mode, lock.key.space), [lock.key])
        run(.batch(unlock), limit: nil) { [self] _, outcome, reply in
            guard case .settled = outcome, reply?.rows == [true] else { return giveUp() }
            proceed()
        }
    }

    private func endHold(_ lock: Lock) {
        guard process.grants[lock.id]?.beginRelease() == true || connection == nil else {
            return process.ledger.report("process \(process.id) has nothing to release of \(lock.key), on a session that lives")
        }
        process.grants[lock.id] = nil
        _ = process.letGo(of: lock.id)
    }

    /// Between two statements the session holds what the scope knows of, and nothing else.
    private func checkHeld() {
        guard let session, connection != nil, session.isAlive else { return }
        guard Set(session.heldKeys.keys) == Set(locks.map(\.key)) else {
            return process.ledger.report(
                "process \(process.id): session \(session.id) holds \(session.heldKeys.keys.sorted()), its scope \(locks.map(\.key))"
            )
        }
    }

    // MARK: Ending

    private func end() {
        guard let connection else { return task.next() }
        let held = locks
        locks = []
        for lock in held { endHold(lock) }
        run(.endTransaction, limit: nil) { [self] _, outcome, reply in
            guard self.connection != nil else { return task.next() }
            process.onLoss[connection] = nil
            self.connection = nil
            let isClean = if case .settled = outcome { reply?.failure == nil } else { false }
            process.drive { $0.giveBack(connection, isClean: isClean, now: $1) }
            task.next()
        }
    }

    /// What the session holds is not known any more.
    private func giveUp() {
        guard let connection else { return end() }
        process.onLoss[connection] = nil
        lose()
        process.drive { $0.giveBack(connection, isClean: false, now: $1) }
        task.next()
    }

    private func lose() {
        connection = nil
        let lost = locks
        locks = []
        for lock in lost {
            _ = process.grants[lock.id]?.end(.lost)
            endHold(lock)
        }
    }

    // MARK: Statements

    /// - Parameter limit: After which it is cancelled; `nil` if it can't be, and the session counts as dead without an answer.
    private func run(
        _ statement: SimulatedStatement,
        limit: Duration?,
        completion: @escaping (RequestID, Engine.Outcome, SimulatedReply?) -> Void
    ) {
        guard let connection else { return completion(.none, .failed(.lost), nil) }
        let timeout = process.profile.engine.responseTimeout
        let now = process.now
        var reply: SimulatedReply?
        process.call(
            within: (limit ?? timeout) + timeout + .milliseconds(1),
            { [process] engine, id, _ in
                process.statements[id] = .init(statement: statement) { reply = $0 }
                engine.beginStatement(
                    id,
                    on: connection,
                    deadline: limit.map { now.advanced(by: $0) },
                    answerBy: limit == nil ? now.advanced(by: timeout) : nil,
                    now: now
                )
            },
            completion: { id, outcome in completion(id, outcome, reply) }
        )
    }
}
