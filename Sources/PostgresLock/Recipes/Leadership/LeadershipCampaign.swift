/// Campaigns for the lead, and leads once.
struct LeadershipCampaign: Sendable {
    /// Its tries, one or two a second without an end, are no calls of users, so they are not observed.
    let locks: LockManager
    let keys: LeadershipKeys
    private let handling: StepDownHandling
    /// Whether a loss of the lead cancels the body, whatever the manager's configuration says.
    var cancelsOnLoss = false
    /// Pauses after the server has said that another holder leads. Ends the campaign by throwing.
    var standBy: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    init(locks: LockManager, keys: LeadershipKeys, handling: StepDownHandling) {
        self.locks = locks.unobserved
        self.keys = keys
        self.handling = handling
    }

    /// Tries until the lead is had, runs the body, and lets go of the lead.
    func run<Result>(
        isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) (LeadershipTerm) async throws -> Result
    ) async throws -> Result {
        while true {
            let result = try await locks.withLockIfAvailable(keys.lead, isolation: isolation) { lock in
                try await lead(lock, isolation, body)
            }
            if let result { return result }
            try await standBy(CampaignPause.poll)
        }
    }

    private func lead<Result>(
        _ lock: HeldLock,
        _ isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) (LeadershipTerm) async throws -> Result
    ) async throws -> Result {
        let term = LeadershipTerm(keys, lock: lock)
        // A request to release the lock is one to step down.
        let requests = lock.state.observe(
            .request(replacesCancellation: true) { if lock.isReleaseRequested { term.stepDown() } }
        )
        defer { lock.state.forget(requests) }
        // Not a child task: the body is not sendable, so it can't be in a task group.
        let watch = Task { [watch = LeadershipWatch(locks: locks, keys: keys, term: term)] in await watch.run() }
        // The lock's own scope is around this one.
        let states = handling.cancelling(term.request) + (cancelsOnLoss ? [lock.state] : [])
        let scope = ScopedBody(driver: locks.driver, states: states, kind: nil, mustCancel: true)
        do {
            let result = try await scope.run(term, isolation: isolation, body)
            await end(term, watch)
            return result
        } catch {
            await end(term, watch)
            throw error
        }
    }

    private nonisolated(nonsending) func end(_ term: LeadershipTerm, _ watch: Task<Void, Never>) async {
        term.request.end(nil)
        watch.cancel()
        await watch.value
    }
}
