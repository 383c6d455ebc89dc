import Dispatch
import LibPQ

/// Runs its tasks on a queue, and holds them back on request, so that events can happen before a caller goes on.
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

    /// Whether the current code runs on this executor.
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

    /// Holds back jobs from now on.
    func hold() {
        state.withLock { $0.isHolding = true }
    }

    /// Waits until a job is held back.
    func arrival() async {
        for await _ in arrivals.stream { return }
    }

    func letGo() {
        for job in takeHeld() { run(job) }
    }

    /// As ``letGo()``, and returns once the jobs that were held back have run to their next suspension.
    func runHeld() {
        for job in takeHeld() { queue.sync { job.runSynchronously(on: asUnownedTaskExecutor()) } }
    }

    private func takeHeld() -> [UnownedJob] {
        state.withLock { state in
            state.isHolding = false
            defer { state.held = [] }
            return state.held
        }
    }
}
