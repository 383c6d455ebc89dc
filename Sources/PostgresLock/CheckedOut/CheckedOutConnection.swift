import DequeModule
import LockCore

/// A connection that is checked out for a transaction or a session, on which one operation runs after the other. Confined to its driver.
final class CheckedOutConnection {
    /// A lock of a session's. Those with a scope are released by its end, and by nothing else.
    typealias Lease = (state: LockState, isScoped: Bool)

    enum Turn: Sendable {
        case begun
        /// The caller has stopped waiting for it.
        case over(Engine.EndCause)
        /// There will be none: the scope has ended, or the connection.
        case closed
    }

    let id: ConnectionID
    /// Decides what is sent, and what that does to the locks.
    var session: CheckedOutSession
    /// The lock that a transaction was begun with.
    let lease: LockState?
    /// Ends with the scope, also if there is no lock that the scope was begun with.
    let ending: LockState
    let modes = HeldModes()
    /// The rows of the body's last statement.
    var bodyResult: (any StatementRows)?
    /// The locks that a session was granted; the server knows those on one key as one.
    private var leases: [LockKey: [Lease]] = [:]
    private var names: [AdvisoryKey: LockKey] = [:]

    /// What runs is answered before the next is sent, in the order in which they were asked for.
    private var isBusy = false
    private var line = Deque<(place: Int, continuation: CheckedContinuation<Turn, Never>)>()
    /// What runs, if it may be cancelled.
    var running: PendingCall?

    init(id: ConnectionID, _ session: CheckedOutSession, lease: LockState?) {
        self.id = id
        self.session = session
        self.lease = lease
        ending = lease ?? LockState(key: LockKey(number: 0), mode: .shared)
        if let lease { names[lease.key.advisory] = lease.key }
    }

    var scope: CheckedOutSession.Scope { session.scope }

    // MARK: Keys

    /// Errors are to call it by its name; a lock that is held keeps that by which it was taken.
    func note(_ key: LockKey) {
        if names.count > 2 * session.holdings.count + 16 {
            names = names.filter { session.holdings[$0.key] != nil || $0.key == lease?.key.advisory }
        }
        if names[key.advisory] == nil || session.holdings[key.advisory] == nil && lease?.key != key { names[key.advisory] = key }
    }

    func name(_ key: AdvisoryKey) -> LockKey { names[key] ?? LockKey(key) }

    /// In one order, whatever a dictionary's is.
    var heldKeys: [LockKey] { session.heldKeys.map(name) }

    /// Those that are still held for certain.
    var certainKeys: [LockKey] { session.loss == nil && ending.isHeld ? heldKeys : [] }

    /// What the session holds is to be seen from anywhere.
    func publishModes() {
        for key in session.takeChangedKeys() { modes[name(key)] = session.holdings[key].map { LockMode(core: $0) } }
    }

    // MARK: Leases

    func add(_ lease: LockState, isScoped: Bool) {
        leases[lease.key, default: []].append((lease, isScoped))
    }

    func leases(on key: LockKey) -> [Lease] { leases[key] ?? [] }

    /// Returns whether it was the last one on its key, or `nil` if it is unknown.
    func remove(_ lease: LockState) -> Bool? {
        guard let index = leases[lease.key]?.firstIndex(where: { $0.state === lease }) else { return nil }
        leases[lease.key]?.remove(at: index)
        return leases[lease.key]?.isEmpty
    }

    func takeLeases() -> [LockState] {
        defer { leases = [:] }
        return leases.sorted { $0.key.advisory < $1.key.advisory }.flatMap { $0.value.map(\.state) }
    }

    // MARK: One after the other

    /// Asks for a turn; looks and lines up in one step, since a task may be suspended between two.
    func enqueue(_ place: Int, _ continuation: CheckedContinuation<Turn, Never>) {
        if isBusy {
            line.append((place, continuation))
        } else {
            isBusy = true
            continuation.resume(returning: .begun)
        }
    }

    func dequeue(_ place: Int, _ cause: Engine.EndCause) {
        guard let index = line.firstIndex(where: { $0.place == place }) else { return }
        line.remove(at: index).continuation.resume(returning: .over(cause))
    }

    func endTurn() {
        guard let next = line.popFirst() else {
            isBusy = false
            return
        }
        next.continuation.resume(returning: .begun)
    }

    /// The body is over. What runs, or stands in line, is ended, and only the scope's end sends anything from now on.
    func beginEnd() {
        session.beginEnd()
        closeQueue()
    }

    func closeQueue() {
        defer { line = [] }
        for place in line { place.continuation.resume(returning: .closed) }
    }
}
