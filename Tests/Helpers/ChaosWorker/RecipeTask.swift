import Chaos
import Foundation
import LockCore
import PostgresLock

/// A task of a worker that uses the recipes: it leads, works on shares, takes permits, and runs jobs once per interval.
///
/// The lead, the shares and the permits are exclusive locks, so they are reported as claims of keys of their own.
struct RecipeTask: Sendable {
    private static let shares = 16

    /// The recipes that consist of locks.
    static let lockRecipes: [@Sendable (RecipeTask) async -> Void] = [
        { await $0.lead() }, { await $0.workOnShares() }, { await $0.usePermits() }, { await $0.usePermits() },
    ]
    static let allRecipes: [@Sendable (RecipeTask) async -> Void] =
        lockRecipes + [{ await $0.runJobs(.atMostOnce) }, { await $0.runJobs(.atLeastOnce) }]

    let locks: LockManager
    let semaphore: DistributedSemaphore
    let log: ChaosLog
    let numbers: Numbers
    let stop: StopRequest
    let chance: Chance
    let lease: Duration
    let breaking: ChaosBreak?
    /// A name that no other worker uses.
    let ownName: String

    func lead() async {
        while !stop.isRequested {
            let name = breaks(.leaders) ? ownName : "chaos"
            await call("leadership") { call in
                try await locks.withLeadership(of: name) { term in
                    await hold(term.lock, ChaosRecipe.leadKey, call, for: .milliseconds(chance.number(50...4_000)))
                }
            }
            if chance.happens(0.3) {
                await call("step-down") { _ in try await locks.requestStepDown(of: "chaos", timeout: .seconds(3)) }
            }
            await pause(50...500)
        }
    }

    func workOnShares() async {
        while !stop.isRequested {
            let name = breaks(.shares) ? ownName : "chaos"
            await call("shares") { _ in
                try await locks.withShares(of: name, count: Self.shares) { share, lock in
                    // The grant was at most so long ago, or else the lock is not held any more.
                    let call = numbers.next()
                    log.note(.begun(call: call, what: "share \(share)"), at: ChaosClock.now - lease.nanoseconds)
                    await hold(lock, ChaosRecipe.firstShareKey + share, call, for: .seconds(3_600))
                    log.note(.ended(call: call, outcome: "returned"))
                    try Task.checkCancellation()
                }
            }
            await pause(0...2_000)
        }
    }

    func usePermits() async {
        let own = try? DistributedSemaphore(ownName, limit: ChaosRecipe.permits, locks: locks)
        while !stop.isRequested {
            let semaphore = breaks(.ownPermits) ? own ?? self.semaphore : self.semaphore
            await call("permit") { call in
                try await semaphore.withPermit(timeout: .milliseconds(chance.number(10...3_000))) { permit in
                    await hold(permit.lock, ChaosRecipe.permitKey + permit.number, call, for: .milliseconds(chance.number(0...300)))
                }
            }
            await pause(0...100)
        }
    }

    func runJobs(_ job: ChaosJob) async {
        while !stop.isRequested {
            let begun = Date().timeIntervalSince1970
            let name = job == .atMostOnce && breaks(.intervals) ? ownName : "chaos \(job)"
            await call("job \(job)") { _ in
                let outcome = try await locks.runOnce(
                    name,
                    every: .seconds(ChaosJob.interval),
                    counting: .aligned(minimumGap: .seconds(1)),
                    guarantee: job == .atLeastOnce ? .atLeastOnce(repeatingAfter: .seconds(ChaosJob.repeatingAfter)) : .atMostOnce
                ) { run in
                    let start = Int(run.intervalStart.timeIntervalSince1970)
                    if job == .atLeastOnce, breaking == .skippedInterval, start / ChaosJob.interval % 2 == 0 { return }
                    log.note(.ran(job, intervalStart: start))
                    try await Task.sleep(for: .milliseconds(chance.number(0...600)))
                    // The record may fail to be written: then the run is repeated.
                    log.note(.ranToEnd(job, intervalStart: start))
                }
                if case .skipped(let skipped) = outcome {
                    log.note(
                        .skipped(
                            job,
                            begun: begun,
                            ended: Date().timeIntervalSince1970,
                            claimedAt: skipped.claimedAt?.timeIntervalSince1970,
                            isLocked: skipped.isLocked
                        )
                    )
                }
            }
            await pause(100...700)
        }
    }

    /// Whether this call breaks the promise on purpose.
    private func breaks(_ promise: ChaosBreak) -> Bool { breaking == promise && chance.happens(0.3) }

    /// Reports the lock as held until the time is over, the task is cancelled, or the lock is lost.
    private func hold(_ lock: HeldLock, _ key: Int, _ call: Int, for duration: Duration) async {
        let claim = numbers.next()
        log.note(.held(claim: claim, call: call, key: key, isExclusive: true, token: lock.fencingToken))
        let end = ContinuousClock.now + duration
        while ContinuousClock.now < end, !Task.isCancelled {
            let time = ChaosClock.now
            guard lock.isHeld else { break }
            log.note(.stillHeld(claim: claim), at: time)
            try? await Task.sleep(for: .milliseconds(20))
        }
        // Some bodies take their time to end, and have the lock until then if it is not lost.
        if chance.happens(0.3) {
            await Task.detached { [chance] in try? await Task.sleep(for: .milliseconds(chance.number(0...300))) }.value
        }
        let time = ChaosClock.now
        log.note(lock.isHeld ? .stillHeld(claim: claim) : .notHeld(claim: claim), at: time)
    }

    /// Makes a call, which is cancelled after a while, and when the worker is to stop.
    private func call(_ what: String, _ body: @escaping @Sendable (Int) async throws -> Void) async {
        let number = numbers.next()
        log.note(.begun(call: number, what: what))
        let task = Task { try await body(number) }
        let limit = ContinuousClock.now + .milliseconds(chance.number(1_000...20_000))
        let cancelling = Task { [stop] in
            while !stop.isRequested, ContinuousClock.now < limit { try await Task.sleep(for: .milliseconds(50)) }
            task.cancel()
        }
        let outcome = ChaosTask.outcome(await task.result)
        cancelling.cancel()
        log.note(.ended(call: number, outcome: outcome))
    }

    private func pause(_ milliseconds: ClosedRange<Int>) async {
        try? await Task.sleep(for: .milliseconds(chance.number(milliseconds)))
    }
}

extension Duration {
    fileprivate var nanoseconds: Int64 { Int64(self / .nanoseconds(1)) }
}
