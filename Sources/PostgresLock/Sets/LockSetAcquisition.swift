import LockCore

/// Takes several locks together, in the steps that ``LockSetPlan`` decides upon.
struct LockSetAcquisition {
    enum End {
        case complete([LockState])
        case refused([LockKey])
    }

    private struct Member {
        let request: LockRequest
        /// A shared lock around this code, which the request may join.
        let enclosing: RequestID?
        var state: LockState?
        /// Whether a try has found it taken.
        var isRefused = false
    }

    private let driver: LockDriver
    private var members: [Member]
    private var plan: LockSetPlan
    private let limit: WaitLimit

    /// - Throws: If a request is invalid, or asks for what this task holds.
    init(_ requests: [LockRequest], timeout: Duration?, driver: LockDriver) throws {
        self.driver = driver
        members = try Self.checked(requests.inOrder, timeout: timeout, driver: driver)
        plan = LockSetPlan(count: members.count, mayWait: timeout != .zero)
        limit = WaitLimit(
            timeout,
            noWait: timeout == .zero,
            isNested: EnclosingLock.isInside,
            driver.configuration.timeouts,
            now: driver.now
        )
    }

    private static func checked(_ requests: [LockRequest], timeout: Duration?, driver: LockDriver) throws -> [Member] {
        var members: [Member] = []
        var refusals: [LockError] = []
        for request in requests {
            do {
                let enclosing = try driver.check(request.key, request.mode, timeout: timeout)
                members.append(Member(request: request, enclosing: enclosing))
            } catch let error as LockError where error.code == .alreadyHeld {
                refusals.append(error)
            }
        }
        guard let refusal = refusals.first else { return members }
        guard refusals.count > 1 else { throw refusal }
        let keys = refusals.flatMap(\.keys)
        throw LockError(
            .alreadyHeld,
            """
            This task holds the locks \(keys.names) already, and its wait would never end. Use the locks that it holds, or other keys.
            """,
            keys: keys
        )
    }

    /// The locks, as far as they were granted.
    private var states: [LockState] { members.compactMap(\.state) }

    /// Takes all or none. Cancelling the task ends it.
    nonisolated(nonsending) mutating func run() async throws -> End {
        do {
            while true {
                try Task.checkCancellation()
                switch plan.next(isHeld: { [members] in members[$0].state?.isOpen ?? false }) {
                case .tryAll(let indices):
                    try await ask(indices, noWait: true)
                case .wait(let index, let behind):
                    try await ask([index], noWait: false, releasing: behind)
                case .refused(let indices):
                    let keys = indices.map { members[$0].request.key }
                    await giveBack()
                    return .refused(keys)
                case .complete:
                    let states = self.states
                    try driver.claim(states)
                    return .complete(states)
                }
            }
        } catch {
            await giveBack()
            throw error
        }
    }

    /// Asks for some and lets go of others, all in one turn.
    private nonisolated(nonsending) mutating func ask(
        _ indices: [Int],
        noWait: Bool,
        releasing behind: [Int] = []
    ) async throws {
        let wanted = indices.map { members[$0] }
        let asked = wanted.map { LockState(key: $0.request.key, mode: $0.request.mode) }
        let released = behind.compactMap { members[$0].state }.filter { $0.beginRelease() }
        for index in behind { members[index].state = nil }
        let outcomes = await driver.outcomes(of: released + asked) {
            [deadline = limit.deadline, count = released.count] engine, index, id, now in
            guard index >= count else { return engine.release(id, now: now) }
            let member = wanted[index - count]
            let request = LockTable.Request(
                member.request.key.advisory,
                member.request.mode.core,
                noWait: noWait,
                deadline: deadline
            )
            engine.acquire(
                id,
                request,
                deadline: deadline,
                enclosing: member.enclosing,
                isRefusedBefore: member.isRefused,
                now: now
            )
        }
        var ends: [(key: LockKey, outcome: Engine.Outcome)] = []
        for (offset, outcome) in outcomes.dropFirst(released.count).enumerated() {
            switch outcome {
            case .granted: members[indices[offset]].state = asked[offset]
            case .refused:
                members[indices[offset]].state = nil
                members[indices[offset]].isRefused = true
            default: ends.append((wanted[offset].request.key, outcome))
            }
        }
        try check(ends)
    }

    /// How the first one has ended is told, of all those that have ended alike.
    private func check(_ ends: [(key: LockKey, outcome: Engine.Outcome)]) throws {
        // That one of them is taken says more than that another one is not known.
        guard let first = ends.first(where: { $0.outcome == .ended(.timedOut(nil)) }) ?? ends.first else { return }
        let keys = ends.filter { $0.outcome == first.outcome }.map(\.key)
        throw driver.error(for: first.outcome, keys: keys, limit: limit.length)
    }

    /// Releases what was granted.
    private nonisolated(nonsending) mutating func giveBack() async {
        let held = states
        for index in members.indices { members[index].state = nil }
        // A failed release ends the locks, too.
        try? await driver.release(held)
    }
}
