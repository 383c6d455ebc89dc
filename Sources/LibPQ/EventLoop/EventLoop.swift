import CLibPQ
import Dispatch
import Synchronization

/// A serial executor that any thread may run: a thread that brings work while the loop is free does the work itself.
///
/// Passing work to another thread costs a wake-up, tens of microseconds, which is more than most of the work takes. So ``enter(_:)`` runs
/// its body at once, on the calling thread, if the loop is free. If not, it leaves the body to the thread that runs the loop, which runs
/// all such bodies before it returns. (This is flat combining: Hendler, Incze, Shavit and Tzafrir, SPAA 2010.) Each turn ends with the
/// turn handler, which sends what the turn has submitted.
///
/// Sockets report on the thread of a `SocketPoller`, or on a Dispatch queue where there is no epoll; timers report on that queue. They enter
/// from there. Bodies can enter an actor that runs on the loop by `assumeIsolated`. Its jobs, which may be long, run on the Dispatch queue
/// only.
package final class EventLoop: SerialExecutor, Sendable {
    package typealias Body = @Sendable () -> Void

    /// What other threads have left for the thread that runs the loop.
    private struct Inbox {
        var bodies: [Body] = []
        var jobs: [UnownedJob] = []
    }

    let queue: DispatchQueue
    #if os(Linux)
        /// What watches its sockets.
        let poller = SocketPoller.next()
    #endif
    private let occupancy = LoopOccupancy()
    private let inbox = Locked(Inbox())
    private let wakeUpPipe = WakeUpPipe()
    /// The thread that runs the loop; 0 for none.
    private let owner = Atomic<UInt>(0)
    // Used only by the thread that runs the loop. No access lasts while other code runs, so the runtime need not check for overlaps at each
    // turn.
    @exclusivity(unchecked) private nonisolated(unsafe) var working: [Body] = []
    @exclusivity(unchecked) private nonisolated(unsafe) var workingJobs: [UnownedJob] = []
    @exclusivity(unchecked) private nonisolated(unsafe) var turnHandler: any User = TurnHandler {}
    @exclusivity(unchecked) private nonisolated(unsafe) var requestedPoll: BusyPoll?

    package init(label: String) {
        queue = DispatchQueue(label: label)
    }

    /// Sets the handler that ends each turn. It is called on the loop. To be set before the loop is used.
    package func onTurnEnd(_ handler: @escaping Body) {
        turnHandler = TurnHandler(handler)
    }

    /// Runs `body` on the loop: at once on this thread if the loop is free, otherwise soon on the thread that runs it.
    package func enter(_ body: @escaping Body) {
        if tryEnter() {
            body()
            return work(isOnQueue: false, turnHandler)
        }
        guard leave({ $0.bodies.append(body) }) else { return }
        owner.store(Self.currentThread, ordering: .relaxed)
        workOff(isOnQueue: false)
    }

    /// Begins to run the loop on this thread, if the loop is free, so that the caller needs no closure. To be ended by ``leave(_:)``.
    ///
    /// - Returns: Whether the loop was free.
    package func tryEnter() -> Bool {
        let isMine = occupancy.enter()
        if isMine { owner.store(Self.currentThread, ordering: .relaxed) }
        return isMine
    }

    /// Ends the turn that ``tryEnter()`` has begun, and does the work that other threads have brought meanwhile.
    ///
    /// - Parameter user: What has entered. It is called instead of the turn handler, which has to find out first whether there is a user.
    package func leave(_ user: any User) {
        work(isOnQueue: false, user)
    }

    /// What ends the turns that it begins itself.
    package protocol User: AnyObject, Sendable {
        /// Does what the turn handler does. Called on the loop.
        func endTurn()
    }

    private final class TurnHandler: User {
        private let body: Body

        init(_ body: @escaping Body) {
            self.body = body
        }

        func endTurn() { body() }
    }

    /// Runs `body` on the loop, soon, and never on the calling thread, which is not blocked.
    package func submit(_ body: @escaping Body) {
        if leave({ $0.bodies.append(body) }) { schedule() }
    }

    /// Runs `body` on the loop after some time.
    package func run(after milliseconds: Int, _ body: @escaping Body) {
        queue.asyncAfter(deadline: .now() + .milliseconds(milliseconds)) { self.enter(body) }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if leave({ $0.jobs.append(job) }) { schedule() }
    }

    /// Leaves work for the thread that runs the loop.
    ///
    /// - Returns: Whether there was none, so that the caller has to see to it that the loop runs.
    private func leave(_ add: (inout Inbox) -> Void) -> Bool {
        inbox.withLock { add(&$0) }
        switch occupancy.noteWork() {
        case .none: return false
        case .run: return true
        case .wake:
            wakeUpPipe.wakeUp()
            return false
        }
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

    /// Lets the queue run the loop, which belongs to this thread until then.
    private func schedule() {
        queue.async {
            self.owner.store(Self.currentThread, ordering: .relaxed)
            self.workOff(isOnQueue: true)
        }
    }

    /// Does the work that was left.
    private func workOff(isOnQueue: Bool) {
        guard working.isEmpty, workingJobs.isEmpty else { return work(isOnQueue: isOnQueue, turnHandler) }
        switch takeWork(isOnQueue: isOnQueue) {
        case .none: break
        case .some: work(isOnQueue: isOnQueue, turnHandler)
        case .onlyJobs: schedule()
        }
    }

    /// Does the work that was taken, ends the turn, and does the work that was left meanwhile; then frees the loop.
    private func work(isOnQueue: Bool, _ user: any User) {
        // A bounded number of rounds, so that a thread that has entered with one body is not kept by the work of others.
        for _ in 0..<8 {
            if !working.isEmpty {
                for body in working { body() }
                working.removeAll(keepingCapacity: true)
            }
            if !workingJobs.isEmpty {
                for job in workingJobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
                workingJobs.removeAll(keepingCapacity: true)
            }
            user.endTurn()
            while busyPoll() { user.endTurn() }
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

    /// Takes the bodies and jobs that were left meanwhile, or frees the loop if there are none.
    private func takeWork(isOnQueue: Bool) -> Work {
        while true {
            owner.store(0, ordering: .relaxed)
            if occupancy.leave() { return .none }
            let areJobsLeft = inbox.withLock { inbox in
                swap(&inbox.bodies, &working)
                if isOnQueue { swap(&inbox.jobs, &workingJobs) }
                return !inbox.jobs.isEmpty
            }
            if areJobsLeft { occupancy.noteRest() }
            guard working.isEmpty, workingJobs.isEmpty else {
                owner.store(Self.currentThread, ordering: .relaxed)
                return .some
            }
            if areJobsLeft { return .onlyJobs }
        }
    }

    // MARK: Busy polling

    /// What waits for a socket that the thread that runs the loop polls. (Not a closure, which would be allocated for each wait.)
    protocol BusyPollUser: AnyObject {
        /// The wait has ended. Called on the loop.
        ///
        /// - Parameter isReadable: Whether the socket can be read.
        func endBusyPoll(isReadable: Bool)
    }

    /// A socket that the thread that runs the loop may poll when it has no other work.
    private struct BusyPoll {
        let socket: Int32
        let milliseconds: Int32
        let user: any BusyPollUser
    }

    /// Whether the thread that runs the loop may block for some time: not one that others rely on.
    var mayBusyPoll: Bool {
        #if os(Linux)
            !SocketPoller.isCurrent
        #else
            true
        #endif
    }

    /// Polls a socket at the end of this turn, unless there is other work, on the thread that runs the loop: for answers that are expected
    /// sooner than another thread could be woken up.
    ///
    /// - Parameters:
    ///   - milliseconds: The longest wait. Other work for the loop ends it at once.
    ///   - user: Gets the outcome.
    func busyPoll(for socket: Int32, milliseconds: Int32, user: any BusyPollUser) {
        requestedPoll = BusyPoll(socket: socket, milliseconds: milliseconds, user: user)
    }

    /// - Returns: Whether there was a socket to poll.
    private func busyPoll() -> Bool {
        guard let poll = requestedPoll.take() else { return false }
        guard pglock_is_main_thread() == 0, wakeUpPipe.isOpen, occupancy.beginPoll() else {
            poll.user.endBusyPoll(isReadable: false)
            return true
        }
        let isReadable = wakeUpPipe.wait(for: poll.socket, milliseconds: poll.milliseconds)
        occupancy.endPoll()
        poll.user.endBusyPoll(isReadable: isReadable)
        return true
    }

    static var currentThread: UInt {
        #if canImport(Darwin)
            UInt(bitPattern: pthread_self())
        #else
            UInt(pthread_self())
        #endif
    }
}
