import Chaos
import LockCore
import PostgresLock

/// A task of a worker, which makes random lock calls one after the other.
struct ChaosTask: Sendable {
    private static let kinds: [Kind] = [
        .withLock, .withLock, .withLock, .acquire, .acquire, .tryAcquire, .tryAcquire, .withLocks, .withLocks, .acquireAll,
        .changeMode, .withTransaction, .withTransaction, .withSession, .withSession,
    ]

    private enum Kind {
        case withLock
        case acquire
        case tryAcquire
        case withLocks
        case acquireAll
        case changeMode
        case withTransaction
        case withSession
    }

    private let locks: LockManager
    private let holding: Holding
    private let log: ChaosLog
    private let numbers: Numbers
    private let stop: StopRequest
    private let profile: WorkerProfile
    private let chance: Chance

    init(
        locks: LockManager,
        table: GuardedTable,
        log: ChaosLog,
        numbers: Numbers,
        stop: StopRequest,
        profile: WorkerProfile,
        generator: SplitMix64
    ) {
        chance = Chance(generator)
        holding = Holding(table: table, log: log, numbers: numbers, chance: chance, notesTimelines: profile.notesTimelines)
        self.locks = locks
        self.log = log
        self.numbers = numbers
        self.stop = stop
        self.profile = profile
    }

    func run() async {
        while !stop.isRequested { await makeCall() }
    }

    private func makeCall() async {
        let kind = chance.one(of: Self.kinds)
        let timeout: Duration? = chance.happens(0.7) ? .milliseconds(chance.number(10...3000)) : nil
        let call = numbers.next()
        // A call that does not wait for other holders has a limit, too.
        let limit = kind == .tryAcquire ? profile.timeouts.unreachable : timeout
        log.note(
            .begun(
                call: call,
                what: "\(kind), timeout \(limit.map { "\($0)" } ?? "none")",
                timeout: limit.map { Int64($0 / .nanoseconds(1)) }
            )
        )
        let task = Task { try await perform(kind, call, timeout) }
        let cancelling =
            chance.happens(0.1)
            ? Task { [delay = Duration.milliseconds(chance.number(0...500))] in
                try await Task.sleep(for: delay)
                task.cancel()
            } : nil
        let result = await task.result
        cancelling?.cancel()
        log.note(.ended(call: call, outcome: Self.outcome(result)))
        if profile.pause.upperBound > 0 { try? await Task.sleep(for: .milliseconds(chance.number(profile.pause))) }
        // After a failure, such as an unreachable server, the next call comes a moment later.
        if case .failure = result { try? await Task.sleep(for: .milliseconds(chance.number(0...50))) }
    }

    static func outcome(_ result: Result<Void, any Error>) -> String {
        switch result {
        case .success: "done"
        case .failure(let error as LockError): "\(error.code)"
        case .failure(is CancellationError): "cancelled"
        case .failure(let error): "\(error)"
        }
    }

    private func perform(_ kind: Kind, _ call: Int, _ timeout: Duration?) async throws {
        switch kind {
        case .withLock:
            try await locks.withLock(key(), mode: mode(), timeout: timeout) { lock in await holding.hold([lock], call) }
        case .acquire:
            let lock = try await locks.acquire(key(), mode: mode(), timeout: timeout)
            await holding.hold([lock.lock], call)
            try await lock.release()
        case .tryAcquire:
            guard let lock = try await locks.tryAcquire(key(), mode: mode()) else { return }
            await holding.hold([lock.lock], call)
            try await lock.release()
        case .withLocks:
            try await locks.withLocks(requests(), timeout: timeout) { set in await holding.hold(set, call) }
        case .acquireAll:
            let set = try await locks.acquire(all: requests(), timeout: timeout)
            await holding.hold(set.locks, call)
            try await set.release()
        case .changeMode:
            try await changeMode(call, timeout)
        case .withTransaction:
            let (key, mode) = (key(), mode())
            let held = try await locks.withTransaction(locking: key, mode: mode, timeout: timeout) { transaction in
                try await holding.hold(transaction, key, mode, call)
            }
            // The transaction was committed after this time, so its lock was held until then.
            log.note(.stillHeld(claim: held.claim), at: held.time)
        case .withSession:
            try await locks.withSession(timeout: timeout) { session in try await use(session, call, timeout) }
        }
    }

    /// Takes one lock, and in some calls a second one inside it. The order of keys is random; PostgreSQL detects the deadlocks.
    private func use(_ session: LockSession, _ call: Int, _ timeout: Duration?) async throws {
        try await session.withLock(key(), mode: mode(), timeout: timeout) { lock in
            await holding.hold([lock], call)
            let inner = key()
            guard inner != lock.key, chance.happens(0.4) else { return }
            try await session.withLock(inner, mode: mode(), timeout: timeout) { other in
                await holding.hold([lock, other], call)
            }
        }
    }

    private func changeMode(_ call: Int, _ timeout: Duration?) async throws {
        let lock = try await locks.acquire(key(), mode: mode(), timeout: timeout)
        await holding.hold([lock.lock], call)
        do {
            let isChanged: Bool
            if lock.mode == .exclusive {
                try await lock.downgrade()
                isChanged = true
            } else {
                isChanged = try await lock.tryUpgrade()
            }
            if isChanged { await holding.hold([lock.lock], call) }
        } catch {
            try? await lock.release()
            throw error
        }
        try await lock.release()
    }

    private func key() -> LockKey { LockKey(number: Int64(chance.number(0...ChaosWorker.keys - 1))) }
    private func mode() -> LockMode { chance.happens(0.4) ? .shared : .exclusive }
    private func requests() -> [LockRequest] { (0..<chance.number(2...3)).map { _ in LockRequest(key(), mode: mode()) } }
}
