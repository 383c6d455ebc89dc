import Chaos
import PostgresLock

/// The work of a task while it holds locks, and for some time after it has lost them.
struct Holding: Sendable {
    private struct Claim {
        let number: Int
        let lock: HeldLock
        let key: Int
        let isExclusive: Bool
        let token: FencingToken
    }

    let table: GuardedTable
    let log: ChaosLog
    let numbers: Numbers
    let chance: Chance
    let notesTimelines: Bool

    /// Writes and reads under the locks. Returns when they are to be released: after a random time, a loss or a cancellation.
    func hold(_ locks: some Sequence<HeldLock> & Sendable, _ call: Int) async {
        let claims = locks.compactMap { claim($0, call) }
        // Most locks are held for some milliseconds, a few for longer than the lease.
        let duration = Duration.milliseconds(chance.happens(0.08) ? chance.number(200...3000) : chance.number(0...20))
        let deadline = ContinuousClock.now + duration
        for claim in claims { await use(claim) }
        while ContinuousClock.now < deadline, !Task.isCancelled, areHeld(claims) {
            try? await Task.sleep(for: min(.milliseconds(20), deadline - .now))
        }
        if areHeld(claims), chance.happens(0.5) {
            for claim in claims { await use(claim) }
        }
        for claim in claims where !isHeld(claim) {
            log.note(.notHeld(claim: claim.number))
            // Writes as a holder would that has not noticed the loss: the table has to refuse it.
            guard claim.isExclusive else { continue }
            if chance.happens(0.5) { await pause(upTo: 1000) }
            await write(claim)
        }
    }

    /// Runs statements under a transaction's lock, a few of them for longer than the lease.
    ///
    /// - Returns: The claim, and a time to which the lock was held if the transaction is committed.
    func hold(_ transaction: LockTransaction, _ key: LockKey, _ mode: LockMode, _ call: Int) async throws -> (claim: Int, time: Int64) {
        let number = numbers.next()
        log.note(
            .heldByTransaction(claim: number, call: call, key: Int(key.number ?? -1), isExclusive: mode == .exclusive)
        )
        if notesTimelines { try await noteTimeline(of: transaction, claim: number) }
        for _ in 0..<chance.number(1...3) {
            let time = ChaosClock.now
            if transaction.lock?.isHeld == true {
                log.note(.stillHeld(claim: number), at: time)
            } else {
                log.note(.notHeld(claim: number))
            }
            let milliseconds = chance.happens(0.05) ? chance.number(200...3000) : chance.number(0...10)
            try await transaction.execute("SELECT pg_sleep($1::float8)", [.double(Double(milliseconds) / 1000)])
        }
        return (number, ChaosClock.now)
    }

    private func noteTimeline(of transaction: LockTransaction, claim: Int) async throws {
        let rows = try await transaction.query("SELECT pg_walfile_name(pg_current_wal_lsn())")
        // The first eight digits of a log file's name are the timeline.
        if let timeline = UInt32(try rows[0].decode(0, as: String.self).prefix(8), radix: 16) {
            log.note(.granted(claim: claim, onTimeline: timeline))
        }
    }

    private func claim(_ lock: HeldLock, _ call: Int) -> Claim? {
        guard let key = lock.key.number else { return nil }
        let number = numbers.next()
        let (isExclusive, token) = (lock.mode == .exclusive, lock.fencingToken)
        log.note(.held(claim: number, call: call, key: Int(key), isExclusive: isExclusive, token: token))
        guard let token else { return nil }
        return Claim(number: number, lock: lock, key: Int(key), isExclusive: isExclusive, token: token)
    }

    /// Reads the clock before `isHeld`, so that the lock was held at the logged time.
    private func isHeld(_ claim: Claim) -> Bool {
        let time = ChaosClock.now
        guard claim.lock.isHeld else { return false }
        log.note(.stillHeld(claim: claim.number), at: time)
        return true
    }

    private func areHeld(_ claims: [Claim]) -> Bool {
        claims.map(isHeld).allSatisfy { $0 }
    }

    private func use(_ claim: Claim) async {
        if claim.isExclusive { await write(claim) } else { await read(claim) }
        _ = isHeld(claim)
    }

    private func write(_ claim: Claim) async {
        do {
            let number = try await table.write(claim.key, claim: claim.number, token: claim.token)
            log.note(number.map { .accepted(claim: claim.number, number: $0) } ?? .refused(claim: claim.number))
        } catch {
            log.note(.writeFailed(claim: claim.number))
        }
    }

    private func read(_ claim: Claim) async {
        guard let token = try? await table.read(claim.key) else { return }
        log.note(.read(claim: claim.number, token: token))
    }

    private func pause(upTo milliseconds: Int) async {
        let duration = Duration.milliseconds(chance.number(0...milliseconds))
        // A cancellation must not shorten the pause.
        await Task.detached { try? await Task.sleep(for: duration) }.value
    }
}
