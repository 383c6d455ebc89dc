import LockCore
import LockServerModel

/// A user of a semaphore: takes a permit, holds it for a while, and gives it back.
///
/// It makes the calls that `PermitQueue` makes. Who searches for unused permits, and when one is unused, is decided by the same code.
final class SimulatedPermit {
    /// How long a task waits for the turnstile before it searches, and the pause between two searches.
    static let searchPause = Duration.seconds(1)

    private let task: SimulatedTask
    private let process: SimulatedProcess
    private let isTry: Bool
    private let deadline: Instant?
    private var cancelAt: Instant?

    /// The calls that have not ended.
    private var pending: Set<RequestID> = []
    private let ticket: PermitWaiters.Ticket
    private var isWaiting = false
    /// What waits for a permit: the way through the turnstile, and the search.
    private var ways = 0
    private var isSearchAsleep = false
    /// No further call is begun.
    private var isOver = false
    private var permit: RequestID?
    private var isUnused = false

    private enum Result {
        case granted(RequestID)
        case refused
        case failed
    }

    private var profile: SimulationProfile { task.profile }
    private var permits: [AdvisoryKey] { profile.permits }

    init(_ task: SimulatedTask) {
        self.task = task
        process = task.process
        isTry = task.chance.happens(0.3)
        ticket = PermitWaiters.Ticket(process.queuePlaces.next())
        let limits: (deadline: Duration?, cancelAfter: Duration?) = isTry ? (nil, nil) : task.limits()
        deadline = limits.deadline.map { [now = process.now] in now.advanced(by: $0) }
        if let delay = limits.cancelAfter {
            process.plan(after: process.clock.duration(of: delay)) { [self] in if permit == nil { end(at: process.now) } }
        }
    }

    func begin() {
        lock(profile.turnstile, .shared, noWait: true) { [self] result in
            guard case .granted(let turnstile) = result else { return endTry(result) }
            ask(noWait: true) { [self] result in
                giveBack(turnstile)
                endTry(result)
            }
        }
    }

    private func endTry(_ result: Result) {
        switch result {
        case .granted(let id): use(id, isUnused: false)
        case .refused where !isTry && !isOver: wait()
        case .refused, .failed: task.next()
        }
    }

    private func use(_ id: RequestID, isUnused: Bool) {
        process.ledger.permits += 1
        if isUnused { process.ledger.unusedPermits += 1 }
        process.plan(after: task.chance.skewedDuration(profile.hold)) { [self] in task.release(id) }
    }

    // MARK: Waiting

    private func wait() {
        process.permitWaiters.beginWait(ticket)
        process.permitWaits[ticket] = process.agenda.now
        (isWaiting, ways) = (true, 2)
        passTurnstile()
        sleep()
    }

    private func passTurnstile() {
        lock(profile.turnstile, .exclusive, noWait: false, at: ticket.place) { [self] result in
            guard case .granted(let turnstile) = result else { return endWay(nil, isLast: true) }
            process.permitWaiters.beginHead(ticket)
            ask(noWait: false) { [self] result in
                process.permitWaiters.endHead()
                giveBack(turnstile)
                endWay(result, isLast: true)
            }
        }
    }

    private func sleep() {
        guard !isOver else { return endWay(nil) }
        isSearchAsleep = true
        let pause = task.chance.duration(Self.searchPause...Self.searchPause * 6 / 5)
        process.plan(after: process.clock.duration(of: pause)) { [self] in
            guard isSearchAsleep else { return }
            isSearchAsleep = false
            if process.permitWaiters.maySearch(ticket) { look(UnusedPermitSearch()) } else { sleep() }
        }
    }

    private func look(_ search: UnusedPermitSearch) {
        guard !isOver else { return endWay(nil) }
        ask(noWait: true) { [self] result in
            guard case .granted(let id) = result else { return sleep() }
            var search = search
            switch search.hasFound() {
            case .keep:
                endWay(result)
            case .giveBack(let pause):
                giveBack(id)
                process.plan(after: process.clock.duration(of: pause)) { [self] in look(search) }
            }
        }
    }

    /// The first permit is kept. The search does not end the wait without one.
    private func endWay(_ result: Result?, isLast: Bool = false) {
        ways -= 1
        if case .granted(let id) = result {
            if permit == nil { (permit, isUnused) = (id, !isLast) } else { giveBack(id) }
        }
        if isLast || permit != nil { end(at: process.now) }
        guard ways == 0, isWaiting else { return }
        isWaiting = false
        process.permitWaiters.end(ticket)
        process.permitWaits[ticket] = nil
        if let permit { use(permit, isUnused: isUnused) } else { task.next() }
    }

    private func end(at now: Instant) {
        guard !isOver else { return }
        isOver = true
        cancelAt = now
        for id in pending.sorted() { process.drive { $0.cancel(id, now: $1) } }
        guard isSearchAsleep else { return }
        isSearchAsleep = false
        endWay(nil)
    }

    // MARK: Calls

    private func lock(
        _ key: AdvisoryKey,
        _ mode: Mode,
        noWait: Bool,
        at place: QueuePlace = .last,
        completion: @escaping (Result) -> Void
    ) {
        let request = LockTable.Request(key, mode, noWait: noWait, place: place, deadline: deadline)
        let id = process.call(
            within: limit(noWait: noWait),
            for: request,
            { [deadline] in $0.acquire($1, request, deadline: deadline, now: $2) },
            completion: { [self] in end($0, $1, noWait: noWait, completion) }
        )
        pending.insert(id)
    }

    private func ask(noWait: Bool, completion: @escaping (Result) -> Void) {
        guard !isOver else { return completion(.failed) }
        let choice = LockTable.Choice(permits, .exclusive, noWait: noWait, pollPause: noWait ? nil : PermitWaiters.pollPause)
        let id = process.call(
            within: limit(noWait: noWait).map { $0 * (noWait ? permits.count + 1 : 1) },
            { [process, deadline] engine, id, now in
                process.choices[id] = SimulatedProcess.Choosing(choice: choice, since: process.agenda.now)
                engine.acquireAny(id, choice, deadline: deadline, now: now)
            },
            completion: { [self] in end($0, $1, noWait: noWait, completion) }
        )
        pending.insert(id)
    }

    private func limit(noWait: Bool) -> Duration? {
        task.limit(deadline.map { max(process.now.duration(to: $0), .zero) }, noWait: noWait)
    }

    private func end(_ id: RequestID, _ outcome: Engine.Outcome, noWait: Bool, _ completion: (Result) -> Void) {
        pending.remove(id)
        if outcome == .granted { return completion(process.claim([id]) ? .granted(id) : .failed) }
        task.check(outcome, noWait: noWait, deadline: deadline, cancelAt: cancelAt)
        completion(outcome == .refused ? .refused : .failed)
    }

    /// Not waited for.
    private func giveBack(_ id: RequestID) {
        process.release(id) { _ in }
    }
}
