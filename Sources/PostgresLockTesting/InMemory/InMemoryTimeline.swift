import Dispatch
import LibPQ
import LockCore
import LockServerModel
import PostgresLock
import Synchronization

/// The time of a server in memory, and the queue that all of the server runs on.
///
/// Unchecked, because all that changes is touched on the queue only, except for the time that others read.
final class InMemoryTimeline: @unchecked Sendable {
    /// What a task waits for.
    private struct Condition {
        let id: Int
        let isTrue: () -> Bool
        let action: () -> Void
    }

    let agenda = Agenda()
    let isManual: Bool
    private let queue = DispatchQueue(label: "pglock.memory")
    private let start = ContinuousClock.now
    private let current = Atomic<Int64>(0)
    private let nextID = Atomic<Int>(0)
    private var conditions: [Condition] = []
    /// The tasks that were cancelled before they had begun to wait.
    private var cancelled: Set<Int> = []
    private var wake: Instant?
    /// The event loops of the managers.
    private var loops: [ObjectIdentifier: EventLoop] = [:]
    /// Those that were given something to do since time was last waited for.
    private var busyLoops: [ObjectIdentifier: EventLoop] = [:]

    init(isManual: Bool) {
        self.isManual = isManual
    }

    // MARK: The queue

    /// Runs `body` on the queue, behind what was sent before.
    func send(_ body: @escaping @Sendable () -> Void) {
        queue.async { [self] in
            catchUp()
            body()
            catchUp()
        }
    }

    /// Runs `body` on the queue, and returns what it returns. Not to be called on the queue.
    func run<Result>(_ body: () -> Result) -> Result {
        queue.sync {
            catchUp()
            defer { catchUp() }
            return body()
        }
    }

    /// Runs `body` on an event loop, soon. To be called on the queue.
    func submit(to loop: EventLoop, _ body: @escaping @Sendable () -> Void) {
        if isManual { busyLoops[ObjectIdentifier(loop)] = loop }
        loop.submit(body)
    }

    /// Runs `action` on the queue as soon as the condition is true. To be called on the queue.
    func when(_ isTrue: @escaping () -> Bool, _ action: @escaping () -> Void) {
        let id = nextID.add(1, ordering: .relaxed).newValue
        conditions.append(Condition(id: id, isTrue: isTrue, action: action))
    }

    /// Waits until the condition is true, or the task is cancelled.
    func wait(until isTrue: @escaping @Sendable () -> Bool) async {
        let id = nextID.add(1, ordering: .relaxed).newValue
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                send { [self] in
                    guard cancelled.remove(id) == nil else { return continuation.resume() }
                    conditions.append(Condition(id: id, isTrue: isTrue) { continuation.resume() })
                }
            }
        } onCancel: {
            send { [self] in
                if let index = conditions.firstIndex(where: { $0.id == id }) {
                    conditions.remove(at: index).action()
                } else {
                    cancelled.insert(id)
                }
            }
        }
        // A cancellation may have come after the end of the wait.
        if Task.isCancelled { send { [self] in cancelled.remove(id) } }
    }

    /// Does what is due.
    private func catchUp() {
        let now = isManual ? agenda.now : Instant(nanoseconds: start.duration(to: .now).clampedNanoseconds)
        while agenda.step(until: now) {}
        checkConditions()
        guard !isManual, let next = agenda.next, wake.map({ next < $0 || $0 <= now }) ?? true else { return }
        wake = next
        queue.asyncAfter(deadline: .now() + .nanoseconds(Int(now.duration(to: next).clampedNanoseconds))) { [weak self] in
            self?.wake = nil
            self?.catchUp()
        }
    }

    private func checkConditions() {
        let due = conditions.filter { $0.isTrue() }
        guard !due.isEmpty else { return }
        let ids = Set(due.map(\.id))
        conditions.removeAll { ids.contains($0.id) }
        for condition in due { condition.action() }
    }

    // MARK: A test's own time

    func add(_ loop: EventLoop) {
        send { [self] in loops[ObjectIdentifier(loop)] = loop }
    }

    func remove(_ loop: EventLoop) {
        send { [self] in loops[ObjectIdentifier(loop)] = nil }
    }

    /// Sets the clock forward. What becomes due meanwhile happens at its time.
    func advance(by duration: Duration) async {
        let end = run {
            // What was asked of a manager before counts as having happened before, also if its loop has not come to it.
            busyLoops = loops
            return agenda.now.advanced(by: duration)
        }
        repeat { await settle() } while run({ advance(until: end) })
        await settle()
    }

    /// Advances to the next moment at which anything happens.
    ///
    /// - Returns: Whether that is before the end, or at it. If not, it is the end now.
    private func advance(until end: Instant) -> Bool {
        busyLoops = [:]
        while busyLoops.isEmpty {
            guard let next = agenda.next, next <= end else {
                setTime(end)
                return false
            }
            setTime(next)
        }
        return true
    }

    private func setTime(_ time: Instant) {
        current.store(time.nanoseconds, ordering: .releasing)
        // The events of this instant can plan others for it.
        while agenda.step(until: time) {}
        checkConditions()
    }

    /// Waits until the managers and the server have done all that is to be done at this time.
    private func settle() async {
        // Tasks may go on asking for locks without an end.
        for _ in 0..<100 {
            let loops = run {
                defer { busyLoops = [:] }
                return busyLoops.values
            }
            if loops.isEmpty { return }
            for loop in loops {
                await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                    // The second body runs when the turn of the first one has ended, and all that it wants sent is sent.
                    loop.submit { loop.submit { continuation.resume() } }
                }
            }
        }
    }
}

extension InMemoryTimeline: SettableClock {
    var now: Instant { Instant(nanoseconds: current.load(ordering: .acquiring)) }

    func sleep(until instant: Instant) async throws {
        // The task goes on on its event loop.
        send { [self] in agenda.plan(at: instant) { [weak self] in self.map { $0.busyLoops = $0.loops } } }
        await wait { [self] in agenda.now >= instant }
        try Task.checkCancellation()
    }

    func makeTimer(on loop: EventLoop, handler: @escaping @Sendable () -> Void) -> any DeadlineTimer {
        InMemoryTimer(self, loop, handler)
    }
}

/// Confined to its loop.
private final class InMemoryTimer: DeadlineTimer {
    private let timeline: InMemoryTimeline
    private let loop: EventLoop
    private let handler: @Sendable () -> Void
    private var armedFor: Int64?

    init(_ timeline: InMemoryTimeline, _ loop: EventLoop, _ handler: @escaping @Sendable () -> Void) {
        (self.timeline, self.loop, self.handler) = (timeline, loop, handler)
    }

    func arm(at time: Int64, now: Int64) {
        guard armedFor.map({ time < $0 }) ?? true else { return }
        armedFor = time
        timeline.send { [timeline, loop, handler] in
            // Weakly, because the agenda belongs to the timeline, and keeps what lies behind the end of the test.
            timeline.agenda.plan(at: Instant(nanoseconds: time)) { [weak timeline, weak loop] in
                if let timeline, let loop { timeline.submit(to: loop, handler) }
            }
        }
    }

    func hasFired() {
        armedFor = nil
    }
}
