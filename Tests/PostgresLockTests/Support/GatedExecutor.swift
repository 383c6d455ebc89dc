import Dispatch
import LibPQ

/// Runs its tasks on a queue of its own, and keeps them back on request: for what happens before a caller can go on.
final class GatedExecutor: TaskExecutor {
    private struct State {
        var isHolding = false
        var held: [UnownedJob] = []
    }

    private static let key = DispatchSpecificKey<ObjectIdentifier>()

    private let queue = DispatchQueue(label: "test.gated")
    private let state = Locked(State())
    private let arrivals = AsyncStream.makeStream(of: Void.self)

    init() {
        queue.setSpecific(key: Self.key, value: ObjectIdentifier(self))
    }

    /// Whether the running code runs here.
    var isCurrent: Bool { DispatchQueue.getSpecific(key: Self.key) == ObjectIdentifier(self) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isHeld = state.withLock { state in
            if state.isHolding { state.held.append(job) }
            return state.isHolding
        }
        if isHeld { arrivals.continuation.yield() } else { run(job) }
    }

    private func run(_ job: UnownedJob) {
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// What would run from now on is kept back.
    func hold() {
        state.withLock { $0.isHolding = true }
    }

    /// Waits until something is kept back.
    func arrival() async {
        for await _ in arrivals.stream { return }
    }

    func letGo() {
        let held = state.withLock { state in
            state.isHolding = false
            defer { state.held = [] }
            return state.held
        }
        for job in held { run(job) }
    }
}
