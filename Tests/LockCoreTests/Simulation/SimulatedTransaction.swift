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

    init(_ task: SimulatedTask) {
        self.task = task
        process = task.process
        key = task.randomKey()
        mode = task.chance.happens(0.3) ? .shared : .exclusive
        isTry = task.chance.happens(0.15)
        patience = task.patience()
        began = process.agenda.now
        deadline = patience.deadline.map { [began] in began.advanced(by: $0) }
    }

    /// What is left of the time in which the call that is made now must end.
    private func limit(after slack: Duration) -> Duration? {
        [patience.deadline, patience.cancelAfter].compactMap(\.self).min().map {
            max($0 - began.duration(to: process.agenda.now), .zero) + slack
        }
    }

    private func cancelLater(_ id: RequestID) {
        guard let after = patience.cancelAfter else { return }
        task.cancel(id, after: max(after - began.duration(to: process.agenda.now), .zero))
    }

    // MARK: Beginning

    func begin() {
        let request = LockTable.Request(key, mode, scope: .transaction, isTry: isTry)
        let id = process.call(
            within: limit(after: .zero),
            { [deadline] in $0.acquire($1, request, deadline: deadline, now: $2) },
            completion: { [self] id, outcome in
                guard outcome == .granted else { return task.next() }
                turn = id
                lend()
            }
        )
        cancelLater(id)
    }

    private func lend() {
        let id = process.call(
            within: limit(after: .zero),
            { [deadline] in $0.lend($1, deadline: deadline, now: $2) },
            completion: { [self] _, outcome in
                guard case .lent(let connection) = outcome else { return endTurn() }
                self.connection = connection
                process.onLoss[connection] = { [self] in lose() }
                lock()
            }
        )
        cancelLater(id)
    }

    private func lock() {
        run(.transactionLock(key, mode, isTry: isTry), isCancellable: true) { [self] outcome, reply in
            guard case .settled = outcome, let reply, reply.failure == nil, reply.rows == [true],
                let connection, let link = process.links[connection]
            else { return end() }
            isHeld = true
            process.ledger.begin(
                .init(
                    process: process.id,
                    id: lease,
                    key: key,
                    mode: mode,
                    session: link.session,
                    isOrphan: !link.session.isAlive
                )
            )
            run(.work(process.chance.skewedDuration(process.profile.hold)), isCancellable: false) { [self] _, _ in end() }
        }
    }

    /// Apart from the turn's, since that ends later.
    private var lease: RequestID { turn ?? RequestID(0) }

    private func run(
        _ statement: SimulatedStatement,
        isCancellable: Bool,
        completion: @escaping (Engine.Outcome, SimulatedReply?) -> Void
    ) {
        guard let connection else { return completion(.failed(.lost), nil) }
        var reply: SimulatedReply?
        let slack = process.profile.engine.responseTimeout + .milliseconds(1)
        let id = process.call(
            within: isCancellable ? limit(after: slack) : nil,
            { [deadline] in $0.beginStatement($1, on: connection, deadline: isCancellable ? deadline : nil, now: $2) },
            completion: { _, outcome in completion(outcome, reply) }
        )
        process.links[connection]?.submit(statement) { [process] answer in
            reply = answer
            process.drive { $0.statementAnswered(on: connection, now: $1) }
        }
        if isCancellable { cancelLater(id) }
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
        let deadline = process.agenda.now.advanced(by: timeout)
        process.call(
            within: timeout * 2 + .milliseconds(1),
            { $0.beginStatement($1, on: connection, deadline: deadline, now: $2) },
            completion: { [self] _, _ in
                if self.connection != nil {
                    process.onLoss[connection] = nil
                    self.connection = nil
                    process.drive { [isClean] in $0.giveBack(connection, isClean: isClean, now: $1) }
                }
                endTurn()
            }
        )
        process.links[connection]?.submit(.endTransaction) { [process] answer in
            isClean = answer.failure == nil
            process.drive { $0.statementAnswered(on: connection, now: $1) }
        }
    }

    private func endTurn() {
        guard let turn else { return task.next() }
        self.turn = nil
        process.begin(turn, within: .zero, { $0.release(turn, now: $1) }) { [task] _ in task.next() }
    }

    private func lose() {
        connection = nil
        endLease()
    }

    private func endLease() {
        guard isHeld else { return }
        isHeld = false
        process.ledger.end(process: process.id, lease, key)
    }
}
