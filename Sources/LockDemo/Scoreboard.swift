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
    let seconds: Double
    private(set) var workers: [Worker]
    private(set) var waits: [Duration] = []
    private(set) var kill: DemoResult.Kill?
    var totals = DemoDatabase.Totals()

    /// When all workers were ready and started.
    private var start: ContinuousClock.Instant?
    private(set) var secondsElapsed = 0.0
    private var killedAt: ContinuousClock.Instant?
    private var pausedWorker: Int?
    private var hasStopped = false

    init(isLocked: Bool, workers: Int, seconds: Double) {
        self.isLocked = isLocked
        self.seconds = seconds
        self.workers = Array(repeating: Worker(), count: workers)
    }

    /// Whether all workers have ended.
    var isOver: Bool {
        workers.allSatisfy { $0.phase == .finished || $0.phase == .killed }
    }

    var result: DemoResult {
        DemoResult(totals: totals, waits: waits, kill: kill)
    }

    /// How much of the run is done, from 0 to 1.
    var progress: Double { min(1, secondsElapsed / seconds) }

    // MARK: Events

    mutating func note(_ report: WorkerReport, of worker: Int, now: ContinuousClock.Instant) throws -> [Order] {
        noteTime(now)
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
            guard worker == pausedWorker, killedAt == nil else { return [] }
            return noteKill(of: worker, now: now)
        case .holding, .wrote:
            break
        case .failed(let message):
            throw CommandFailure(ExitStatus.failure, "Worker \(worker + 1) has failed: \(message)")
        }
        return []
    }

    mutating func noteEnd(of worker: Int, _ ending: ChildProcess.Ending) throws -> [Order] {
        if worker == pausedWorker, killedAt != nil {
            workers[worker].phase = .killed
            return []
        }
        guard ending == .exited(0) else {
            throw CommandFailure(ExitStatus.failure, "Worker \(worker + 1) has ended unexpectedly: \(ending).")
        }
        workers[worker].phase = .finished
        return []
    }

    /// Advances the time, which may make it due to kill a worker or to stop all.
    mutating func advance(to now: ContinuousClock.Instant) -> [Order] {
        noteTime(now)
        var orders: [Order] = []
        if pausedWorker == nil, progress >= 0.5 {
            pausedWorker = workers.firstIndex { [.waiting, .working].contains($0.phase) }
            if let pausedWorker { orders.append(.tell(pausedWorker, .pause)) }
        }
        if progress >= 1, !hasStopped {
            hasStopped = true
            // The worker that was told to pause is killed instead, even if it pauses only after the others have ended.
            orders += workers.indices.filter { $0 != pausedWorker }.map { .tell($0, .stop) }
        }
        return orders
    }

    private mutating func noteTime(_ now: ContinuousClock.Instant) {
        if let start { secondsElapsed = max(secondsElapsed, start.duration(to: now) / .seconds(1)) }
    }

    // MARK: The killed worker

    private mutating func noteKill(of worker: Int, now: ContinuousClock.Instant) -> [Order] {
        killedAt = now
        kill = DemoResult.Kill(worker: worker)
        workers[worker].phase = .killed
        let doing = isLocked ? "while it held the lock" : "in the middle of its work"
        return [.kill(worker), .note("Process \(worker + 1) was killed by SIGKILL \(doing).")]
    }

    private mutating func noteHolder(_ worker: Int, since: ContinuousClock.Instant) -> [Order] {
        guard let killedAt, kill?.next == nil, since > killedAt else { return [] }
        let after = killedAt.duration(to: since)
        kill?.next = (worker, after)
        return [.note("Process \(worker + 1) had the lock \(Text.milliseconds(after)) later.")]
    }
}
