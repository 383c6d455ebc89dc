import LockCore
import LockServerModel

/// One of several locks, the first that is free, as `acquire(anyOf:)` takes it.
final class SimulatedChoice {
    private let task: SimulatedTask
    private let process: SimulatedProcess
    private let choice: LockTable.Choice
    private let deadline: Instant?
    private let limit: Duration?
    private let cancelAfter: Duration?
    private let began: Instant
    private let beganAt: Instant

    init(_ task: SimulatedTask) {
        self.task = task
        process = task.process
        let chance = task.chance
        let noWait = chance.happens(0.3)
        choice = LockTable.Choice(
            (0..<chance.number(1...6)).map { _ in task.randomKey() },
            chance.happens(task.profile.readers) ? .shared : .exclusive,
            noWait: noWait,
            pollPause: chance.happens(0.3) ? .milliseconds(5) : nil
        )
        let limits: (deadline: Duration?, cancelAfter: Duration?) = noWait ? (nil, nil) : task.limits()
        (began, beganAt) = (process.now, process.agenda.now)
        limit = limits.deadline
        cancelAfter = limits.cancelAfter
        deadline = limit.map { [began] in began.advanced(by: $0) }
    }

    func begin() {
        // A request that does not wait may find a key in use by other tasks of the process, and is told of one key after the other.
        // Where the room in the lock table is limited, its tries may be held back in addition.
        let mayBeHeldBack = task.profile.engine.capacity != .unlimited
        let steps = choice.noWait ? 1 + choice.keys.count + (mayBeHeldBack ? 1 : 0) : 1
        let id = process.call(
            within: task.limit([limit, cancelAfter].compactMap(\.self).min(), noWait: choice.noWait).map { $0 * steps },
            { [process, choice, deadline, beganAt] engine, id, now in
                process.choices[id] = SimulatedProcess.Choosing(choice: choice, since: beganAt)
                engine.acquireAny(id, choice, deadline: deadline, now: now)
            },
            completion: { [self] id, outcome in
                if outcome == .granted { return use(id) }
                if case .ended(.timedOut(nil)) = outcome { checkTaken() }
                let cancelAt = cancelAfter.map { began.advanced(by: $0) }
                task.check(outcome, noWait: choice.noWait, deadline: deadline, cancelAt: cancelAt)
                task.next()
            }
        )
        task.cancel(id, after: cancelAfter)
    }

    private func use(_ id: RequestID) {
        process.ledger.choices += 1
        guard process.claim([id]) else { return task.next() }
        process.plan(after: task.chance.skewedDuration(task.profile.hold)) { [self] in
            if task.chance.happens(0.2) { task.changeMode(of: id, from: choice.mode) } else { task.release(id) }
        }
    }

    /// The call has ended as if each of the locks had been taken.
    private func checkTaken() {
        // What the server has said may be as old as an answer may be, or as the process has stood still.
        let oldest = beganAt.advanced(by: .zero - task.profile.engine.responseTimeout - process.timeFrozen)
        for key in choice.keys where !process.hosts.wasTaken(key, since: oldest) {
            process.ledger.report(
                "process \(process.id): key \(key) of \(choice.keys) is called taken, but was free for longer than the call"
            )
        }
    }
}
