import LockCore
import LockServerModel

/// A user of `withSession`: takes locks inside locks on one session, releases some of them, runs SQL, and ends the session.
final class SimulatedSessionScope {
    private let task: SimulatedTask
    private let process: SimulatedProcess
    private var rounds: Int

    private var chance: Chance { task.chance }

    init(_ task: SimulatedTask) {
        self.task = task
        process = task.process
        rounds = task.chance.number(1...6)
    }

    // MARK: Beginning

    func begin() {
        // Tasks that hold sessions and wait for locks, and tasks that hold locks and wait for sessions, may form a ring. So every wait has
        // a limit.
        let noWait = chance.happens(0.2)
        let limit = noWait ? process.profile.engine.connectTimeout : chance.skewedDuration(process.profile.timeout)
        task.checkOut(within: limit, deadline: process.now.advanced(by: limit), noWait: noWait) { [self] connection, _ in
            guard let connection, let session = SimulatedCheckOut(.session, turn: nil, on: connection, of: process)
            else { return task.next() }
            goOn(session)
        }
    }

    // MARK: The body

    private func goOn(_ session: SimulatedCheckOut) {
        session.check()
        guard rounds > 0, !session.isGone else { return end(session) }
        rounds -= 1
        if let key = session.heldKeys.last, chance.happens(0.2) { return unlock(key, session) }
        if chance.happens(0.3) { return run(session) }
        lock(session)
    }

    private func lock(_ session: SimulatedCheckOut) {
        let (key, mode) = (task.randomKey(), chance.happens(task.profile.readers) ? Mode.shared : .exclusive)
        // A held lock is not asked for again.
        guard !session.heldKeys.contains(key) else { return run(session) }
        let noWait = chance.happens(0.3)
        let deadline = process.now.advanced(by: noWait ? .seconds(30) : chance.skewedDuration(process.profile.timeout))
        let cancelAt = chance.happens(0.2) ? process.now.advanced(by: chance.skewedDuration(process.profile.timeout)) : nil
        session.perform(
            cancelAt: cancelAt,
            { [process] in $0.lock(key, mode, deadline: deadline, noWait: noWait, waitsPlainly: process.waitsPlainly, now: $1) },
            completion: { [self] outcome in
                if case .locked(let position) = outcome {
                    process.ledger.sessionLocks += 1
                    session.hold(key, mode, position)
                } else {
                    session.check(outcome, deadline: deadline, cancelAt: cancelAt, noWait: noWait)
                }
                goOn(session)
            }
        )
    }

    private func unlock(_ key: AdvisoryKey, _ session: SimulatedCheckOut) {
        session.letGo(key)
        session.perform {
            $0.unlock(key, now: $1)
        } completion: { [self] outcome in
            if case .done = outcome {} else { session.check(outcome) }
            goOn(session)
        }
    }

    private func run(_ session: SimulatedCheckOut) {
        let statement: SimulatedBody =
            switch chance.number(0...9) {
            case 0: .mistake
            case 1: .begin
            case 2: .setDeferrable(chance.happens(0.5))
            default: .work(chance.skewedDuration(process.profile.hold))
            }
        let sql = statement.sql(chance)
        let limit = chance.happens(0.1) ? process.now.advanced(by: chance.skewedDuration(process.profile.hold)) : nil
        let mayLock = chance.happens(0.1)
        session.perform(body: statement, cancelAt: limit, { $0.run(sql, mayLock: mayLock, now: $1) }) { [self] _ in goOn(session) }
    }

    // MARK: Ending

    private func end(_ session: SimulatedCheckOut) {
        session.beginEnd()
        session.letGoOfAll()
        session.perform {
            $0.end(now: $1)
        } completion: { [self] outcome in
            if case .done = outcome {} else { session.check(outcome) }
            session.giveBack()
            task.next()
        }
    }
}
