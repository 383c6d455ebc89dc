import CLibPQ
import Dispatch
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A serial executor that any thread may drive: whoever comes while nobody is at work does the work itself.
///
/// Handing work to another thread costs a wake-up, tens of microseconds, which is more than most of the work here takes.
/// So ``enter(_:)`` runs its body at once, on the calling thread, if the loop is free; if not, it leaves the body to the
/// thread that is at work, which runs everything that has been left before it goes. (The idea is that of flat combining:
/// Hendler, Incze, Shavit and Tzafrir, SPAA 2010.) Each turn of work ends with the turn handler, which is where what has
/// come together is sent.
///
/// Sockets and timers report on a Dispatch queue and enter from there. An actor that is pinned to the loop can be entered
/// with `assumeIsolated` from any body; its jobs, which may be long, run on the Dispatch queue only.
package final class EventLoop: SerialExecutor, Sendable {
    package typealias Body = @Sendable () -> Void

    private struct Inbox {
        var bodies: [Body] = []
        var jobs: [UnownedJob] = []
        /// Somebody has the loop, or is about to get it.
        var isBusy = false
        /// Whoever has the loop waits for a socket with it, and is to be woken when there is something else to do.
        var isBusyPolling = false

        /// Returns whether somebody waits who now has to be woken.
        mutating func endBusyPoll() -> Bool {
            defer { isBusyPolling = false }
            return isBusyPolling
        }
    }

    let queue: DispatchQueue
    private let inbox = Locked(Inbox())
    private let bell = WakeUpPipe()
    /// The thread that has the loop; 0 if none has.
    private let owner = Atomic<UInt>(0)
    // Touched only by the thread that has the loop.
    private nonisolated(unsafe) var working: [Body] = []
    private nonisolated(unsafe) var workingJobs: [UnownedJob] = []
    private nonisolated(unsafe) var turnHandler: Body = {}
    private nonisolated(unsafe) var directWait: DirectWait?

    package init(label: String) {
        queue = DispatchQueue(label: label)
    }

    /// Sets what ends every turn. It is called on the loop. To be set before anything is asked of the loop.
    package func onTurnEnd(_ handler: @escaping Body) {
        turnHandler = handler
    }

    /// Runs `body` on the loop: now and on this thread if the loop is free, else on the thread that has it, soon.
    package func enter(_ body: @escaping Body) {
        let (isMine, mustRing) = inbox.withLock { inbox -> (Bool, Bool) in
            guard inbox.isBusy else {
                inbox.isBusy = true
                return (true, false)
            }
            inbox.bodies.append(body)
            return (false, inbox.endBusyPoll())
        }
        if mustRing { bell.ring() }
        guard isMine else { return }
        owner.store(Self.currentThread, ordering: .relaxed)
        body()
        work(isOnQueue: false)
    }

    /// Runs `body` on the loop, soon, and never on the calling thread: for callers that must not be kept.
    package func submit(_ body: @escaping Body) {
        leave(to: { $0.bodies.append(body) })
    }

    /// Runs `body` on the loop after some time.
    package func run(after milliseconds: Int, _ body: @escaping Body) {
        queue.asyncAfter(deadline: .now() + .milliseconds(milliseconds)) { self.enter(body) }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        leave(to: { $0.jobs.append(job) })
    }

    private func leave(to add: (inout Inbox) -> Void) {
        let (mustSchedule, mustRing) = inbox.withLock { inbox -> (Bool, Bool) in
            add(&inbox)
            defer { inbox.isBusy = true }
            return (!inbox.isBusy, inbox.endBusyPoll())
        }
        if mustRing { bell.ring() }
        if mustSchedule { schedule() }
    }

    package func checkIsolated() {
        precondition(isCurrent, "This must run on the event loop.")
    }

    package func isIsolatingCurrentContext() -> Bool? {
        isCurrent
    }

    private var isCurrent: Bool {
        owner.load(ordering: .relaxed) == Self.currentThread
    }

    /// Called with the loop marked as busy, on behalf of the queue.
    private func schedule() {
        queue.async {
            self.owner.store(Self.currentThread, ordering: .relaxed)
            self.work(isOnQueue: true)
        }
    }

    /// Works off what is there, then gives the loop free.
    private func work(isOnQueue: Bool) {
        // A bounded number of rounds: a thread that only wanted to do something of its own must not be kept for ever by
        // what others bring.
        for _ in 0..<8 {
            for body in working { body() }
            working.removeAll(keepingCapacity: true)
            for job in workingJobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
            workingJobs.removeAll(keepingCapacity: true)
            turnHandler()
            if busyPoll() { turnHandler() }
            switch takeWork(isOnQueue: isOnQueue) {
            case .none: return
            case .some: continue
            case .onlyJobs: return schedule()
            }
        }
        owner.store(0, ordering: .relaxed)
        schedule()
    }

    private enum Work {
        case none
        case some
        case onlyJobs
    }

    /// Takes what has been left meanwhile, once all that was taken is done, or gives the loop free if nothing has.
    private func takeWork(isOnQueue: Bool) -> Work {
        inbox.withLock { inbox in
            if isOnQueue, !inbox.jobs.isEmpty { swap(&inbox.jobs, &workingJobs) }
            guard inbox.bodies.isEmpty else {
                swap(&inbox.bodies, &working)
                return .some
            }
            guard workingJobs.isEmpty else { return .some }
            owner.store(0, ordering: .relaxed)
            inbox.isBusy = !inbox.jobs.isEmpty
            return inbox.isBusy ? .onlyJobs : .none
        }
    }

    // MARK: Waiting on the spot

    /// Something that the thread at work may wait for itself, once it has nothing else to do.
    private struct DirectWait {
        let socket: Int32
        let limit: Duration
        let completion: (Bool) -> Void
    }

    /// At the end of this turn, unless there is something else to do, waits until the socket can be read, on whatever
    /// thread has the loop: for answers that are expected sooner than another thread could be woken up.
    ///
    /// - Parameters:
    ///   - limit: At most this long. What others leave for the loop ends the wait at once.
    ///   - completion: Told, on the loop, whether the socket can be read.
    func busyPoll(for socket: Int32, atMost limit: Duration, completion: @escaping (Bool) -> Void) {
        directWait = DirectWait(socket: socket, limit: limit, completion: completion)
    }

    /// - Returns: Whether there was something to wait for.
    private func busyPoll() -> Bool {
        guard let wait = directWait else { return false }
        directWait = nil
        guard !Self.isMainThread, bell.isThere, beginBusyPoll() else {
            wait.completion(false)
            return true
        }
        let isReadable = bell.wait(for: wait.socket, atMost: wait.limit)
        inbox.withLock { $0.isBusyPolling = false }
        wait.completion(isReadable)
        return true
    }

    private func beginBusyPoll() -> Bool {
        inbox.withLock { inbox in
            inbox.isBusyPolling = inbox.bodies.isEmpty && inbox.jobs.isEmpty
            return inbox.isBusyPolling
        }
    }

    // MARK: Threads

    private static var currentThread: UInt {
        #if canImport(Darwin)
            UInt(bitPattern: pthread_self())
        #else
            UInt(pthread_self())
        #endif
    }

    private static var isMainThread: Bool {
        #if canImport(Darwin)
            pthread_main_np() == 1
        #else
            pglock_is_main_thread() == 1
        #endif
    }
}
