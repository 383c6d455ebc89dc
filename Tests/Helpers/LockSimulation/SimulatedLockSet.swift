import LockCore
import LockServerModel

/// Several locks that are taken together, as `withLocks` takes them.
final class SimulatedLockSet {
    private let task: SimulatedTask
    private let process: SimulatedProcess
    private let requests: [(key: AdvisoryKey, mode: Mode)]
    private var held: [RequestID?]
    private var plan: LockSetPlan
    private let deadline: Instant?
    private let cancelAt: Instant?

    init(_ task: SimulatedTask) {
        self.task = task
        process = task.process
        var modes: [AdvisoryKey: Mode] = [:]
        for _ in 0..<task.chance.number(1...6) {
            modes[task.randomKey()] = task.chance.happens(task.profile.readers) ? .shared : .exclusive
        }
        requests = modes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        held = requests.map { _ in nil }
        let mayWait = !task.chance.happens(0.2)
        plan = LockSetPlan(count: requests.count, mayWait: mayWait)
        let limits = mayWait ? task.limits() : (nil, nil)
        let now = process.now
        cancelAt = limits.1.map { now.advanced(by: $0) }
        // Lock sets never wait in a ring for keys, and need no limit. But where there is next to no room in the lock table, they may wait
        // for room that their own locks take up; and where transactions take the only slot in the pool, keys that are to be polled may
        // wait for room that waiting sessions take up.
        let isEndless = limits.0 == nil && limits.1 == nil
        let engine = task.profile.engine
        let isCramped =
            engine.capacity.limit(lockTableSize: task.profile.lockTableSize).map { limit in
                let mostTaken = limit + engine.maximumConnections
                return mostTaken < task.profile.keys || task.profile.transactions && engine.maximumConnections == 2
            } ?? false
        let limit = isEndless && isCramped ? .seconds(20) : limits.0
        deadline = limit.map { now.advanced(by: $0) }
    }

    private func isHeld(_ index: Int) -> Bool {
        held[index].map { process.grants[$0]?.isToBeReleased == true } ?? false
    }

    func proceed() {
        if let cancelAt, cancelAt <= process.now { return end() }
        switch plan.next(isHeld: isHeld) {
        case .tryAll(let indices):
            ask(indices, noWait: true, releasing: [])
        case .wait(let index, let behind):
            if (index + 1..<requests.count).contains(where: { isHeld($0) && !behind.contains($0) }) {
                process.ledger.report("process \(process.id) waits for \(requests[index].key), and keeps what comes behind it")
            }
            ask([index], noWait: false, releasing: behind)
        case .refused:
            end()
        case .complete:
            guard process.claim(held.compactMap(\.self)) else {
                held = held.map { _ in nil }
                return end()
            }
            process.plan(after: task.chance.skewedDuration(task.profile.hold)) { [self] in end() }
        }
    }

    private func ask(_ indices: [Int], noWait: Bool, releasing behind: [Int]) {
        var open = indices.count + behind.count
        var hasFailed = false
        let answered = { [self] in
            open -= 1
            guard open == 0 else { return }
            if hasFailed { end() } else { proceed() }
        }
        for index in behind { release(index, completion: answered) }
        for index in indices {
            let now = process.now
            let cancelAfter = cancelAt.map { max(now.duration(to: $0), .zero) }
            let timeLeft = deadline.map { max(now.duration(to: $0), .zero) }
            let request = LockTable.Request(requests[index].key, requests[index].mode, noWait: noWait, deadline: deadline)
            let id = process.call(
                within: [cancelAfter, timeLeft].compactMap(\.self).min(),
                for: request,
                { [deadline] in $0.acquire($1, request, deadline: deadline, now: $2) },
                completion: { [self] id, outcome in
                    switch outcome {
                    case .granted: held[index] = id
                    case .refused where noWait: break
                    default: hasFailed = true
                    }
                    answered()
                }
            )
            task.cancel(id, after: cancelAfter)
        }
    }

    private func release(_ index: Int, completion: @escaping () -> Void) {
        guard let id = held[index] else { return completion() }
        held[index] = nil
        task.release(id, then: completion)
    }

    private func end() {
        var open = requests.count
        for index in requests.indices {
            release(index) { [task] in
                open -= 1
                if open == 0 { task.next() }
            }
        }
    }
}
