import ChildProcesses
import CommandSupport

/// The state machine of a run: it counts the workers' reports, and returns the orders for the workers and the display.
struct Scoreboard: Sendable {
    /// The state of a worker.
    enum Phase: Equatable, Sendable {
        case starting
        case ready
        case waiting
        case working
        case killed
        case finished
    }

    struct Worker: Equatable, Sendable {
        var phase = Phase.starting
        var additions = 0
    }

    enum Order: Equatable, Sendable {
        case tell(Int, WorkerOrder)
        case kill(Int)
        case note(String)
    }

    let isLocked: Bool
    let length: DemoLength
    private(set) var workers: [Worker]
    private(set) var waits: [Int64] = []
    private(set) var kill: DemoResult.Kill?
    var totals = DemoDatabase.Totals()

    /// When all workers were ready and started.
    private var start: Int64?
    private var now: Int64 = 0
    private var killedAt: Int64?
    private var victim: Int?
    private var hasStopped = false

    init(isLocked: Bool, workers: Int, length: DemoLength) {
        self.isLocked = isLocked
        self.length = length
        self.workers = Array(repeating: Worker(), count: workers)
    }

    /// Whether all workers have ended.
    var isOver: Bool {
        workers.allSatisfy { $0.phase == .finished || $0.phase == .killed }
    }

    var result: DemoResult {
        DemoResult(isLocked: isLocked, totals: totals, waits: waits, kill: kill)
    }

    var secondsElapsed: Double {
        start.map { Double(max(0, now - $0)) / 1e9 } ?? 0
    }

    /// How much of the run is done, from 0 to 1.
    var progress: Double {
        guard start != nil else { return 0 }
        switch length {
        case .seconds(let seconds):
            return min(1, secondsElapsed / seconds)
        case .rounds(let rounds):
            return min(1, Double(workers.reduce(0) { $0 + $1.additions }) / Double(rounds * workers.count))
        }
    }

    // MARK: Events

    mutating func note(_ report: WorkerReport, of worker: Int, now: Int64) throws -> [Order] {
        self.now = max(self.now, now)
        switch report {
        case .ready:
            workers[worker].phase = .ready
            guard start == nil, workers.allSatisfy({ $0.phase == .ready }) else { return [] }
            start = now
            return workers.indices.map { .tell($0, .go) }
        case .asking:
            workers[worker].phase = .waiting
        case .working(let since, let waited):
            workers[worker].phase = .working
            if isLocked {
                waits.append(waited)
                return noteHolder(worker, since: since)
            }
        case .added:
            workers[worker].additions += 1
        case .pausing:
            guard worker == victim, killedAt == nil else { return [] }
            return noteKill(of: worker)
        case .holding, .wrote:
            break
        case .failed(let message):
            throw CommandFailure(ExitStatus.failure, "Worker \(worker + 1) has failed: \(message)")
        }
        return []
    }

    mutating func noteEnd(of worker: Int, _ ending: ChildProcess.Ending) throws -> [Order] {
        if worker == victim, killedAt != nil {
            workers[worker].phase = .killed
            return []
        }
        guard ending == .exited(0) else {
            throw CommandFailure(ExitStatus.failure, "Worker \(worker + 1) has ended unexpectedly: \(ending).")
        }
        workers[worker].phase = .finished
        // The worker finished before the order to pause reached it, so `advance` chooses another one.
        if worker == victim { victim = nil }
        return []
    }

    /// Advances the time, which may make it due to kill a worker or to stop all.
    mutating func advance(to now: Int64) -> [Order] {
        self.now = max(self.now, now)
        var orders: [Order] = []
        if victim == nil, progress >= 0.5, let next = chooseVictim() {
            victim = next
            orders.append(.tell(next, .pause))
        }
        if case .seconds = length, progress >= 1, !hasStopped {
            hasStopped = true
            orders += workers.indices.filter { $0 != victim || killedAt == nil }.map { .tell($0, .stop) }
        }
        return orders
    }

    // MARK: The killed worker

    /// Chooses the worker with the fewest additions, because it is the least likely to finish before the order reaches it.
    private func chooseVictim() -> Int? {
        workers.indices
            .filter { [.waiting, .working].contains(workers[$0].phase) }
            .min { workers[$0].additions < workers[$1].additions }
    }

    private mutating func noteKill(of worker: Int) -> [Order] {
        killedAt = DemoClock.nanoseconds
        kill = DemoResult.Kill(worker: worker)
        workers[worker].phase = .killed
        let doing = isLocked ? "while it held the lock" : "in the middle of its work"
        return [.kill(worker), .note("Process \(worker + 1) was killed by SIGKILL \(doing).")]
    }

    private mutating func noteHolder(_ worker: Int, since: Int64) -> [Order] {
        guard let killedAt, kill?.next == nil, since > killedAt else { return [] }
        kill?.next = (worker, since - killedAt)
        return [.note("Process \(worker + 1) had the lock \(Text.milliseconds(since - killedAt)) later.")]
    }
}
