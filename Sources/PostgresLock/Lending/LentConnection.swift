import DequeModule
import LibPQ
import LockCore

/// What is known of a connection that is lent to a transaction or a session. Confined to its manager.
final class LentConnection {
    /// The locks on one key that were taken here; the server knows them as one.
    struct Holding {
        let mode: LockMode
        /// Of sessions: each is to be released. Those with a scope are released by its end, and by nothing else.
        var leases: [(state: LeaseState, isScoped: Bool)] = []
    }

    enum Turn: Sendable {
        case begun
        /// The caller has stopped waiting for it.
        case over(Engine.EndCause)
        /// There will be none: the scope has ended, or the connection.
        case closed
    }

    let id: ConnectionID
    let borrower: Loan.Borrower
    /// The lock that a transaction was begun with.
    let lease: LeaseState?
    /// Ends with the scope, also if there is no lock that the scope was begun with.
    let ending: LeaseState
    /// The locks that were taken since.
    private(set) var holdings: [LockKey: Holding] = [:]
    let modes = HeldModes()
    /// Why the connection is gone, if it is.
    var loss: Failure?
    /// Whether the session may differ from a new one in more than its locks.
    var hasRunSQL = false
    /// Whether it has the settings of the borrower's role.
    var hasRoleSettings = false
    /// Whether transactions of the session may be deferrable, in which our own statements would wait for those of others.
    var mayDefer = false
    /// What the borrower has for `default_transaction_deferrable`, while our own statements have it off.
    var deferrable: String?
    /// Whether the transaction can only be rolled back, by our own decision.
    var isDoomed = false
    /// Whether an error has taken the transaction's locks along. The connection is as it should be.
    var isAborted = false
    /// Whether the body is over. What runs, or stands in line, is ended, and only the scope's end sends anything from now on.
    private(set) var isAtEnd = false
    /// After the last answer.
    private(set) var transaction = Reply.Transaction.unknown
    /// What is known of those in a transaction.
    var savepoints = Savepoints()

    /// Whether the lock that was asked for last is certainly not held: nothing was sent, the try was refused, or the wait has said how
    /// it was ended.
    private(set) var isRefused = true
    /// Whether a statement that was sent ahead of the last one has failed.
    private(set) var hasFailedEarly = false

    /// What runs is answered before the next is sent, in the order in which they were asked for.
    private var isBusy = false
    private var line = Deque<(place: Int, continuation: CheckedContinuation<Turn, Never>)>()
    /// What runs, if it may be cancelled.
    var running: PendingCall?

    init(id: ConnectionID, borrower: Loan.Borrower, lease: LeaseState?) {
        self.id = id
        self.borrower = borrower
        self.lease = lease
        ending = lease ?? LeaseState(key: LockKey(number: 0), mode: .shared)
    }

    /// In one order, whatever a dictionary's is.
    var heldKeys: [LockKey] {
        let further = holdings.keys.filter { $0 != lease?.key }.sorted { $0.advisory < $1.advisory }
        return (lease.map { [$0.key] } ?? []) + further
    }

    /// Those that are still held for certain.
    var certainKeys: [LockKey] { loss == nil && ending.isHeld ? heldKeys : [] }

    // MARK: Locks

    /// Has no effect on a key that is held already, in that mode or alone.
    func hold(_ key: LockKey, _ mode: LockMode) {
        let held = holdings[key]?.mode ?? (lease?.key == key ? lease?.mode : nil)
        guard held == nil || (held == .shared && mode == .exclusive) else { return }
        holdings[key] = Holding(mode: mode)
        modes[key] = mode
        savepoints.noteLock(key)
    }

    func add(_ lease: LeaseState, isScoped: Bool) {
        holdings[lease.key]?.leases.append((lease, isScoped))
    }

    /// Returns whether it was the last one on its key, or `nil` if it is unknown.
    func remove(_ lease: LeaseState) -> Bool? {
        guard let index = holdings[lease.key]?.leases.firstIndex(where: { $0.state === lease }) else { return nil }
        holdings[lease.key]?.leases.remove(at: index)
        return holdings[lease.key]?.leases.isEmpty
    }

    func letGo(_ key: LockKey) {
        holdings[key] = nil
        modes[key] = nil
        savepoints.forget(key)
    }

    // MARK: Replies

    /// A lock is about to be asked for.
    func beginAsking() {
        isRefused = true
    }

    /// Statements were sent.
    func noteSent() {
        isRefused = false
        hasFailedEarly = false
    }

    /// - Parameter isLast: Whether it is the answer to the last one of them.
    func noteAnswered(_ reply: Reply, isLast: Bool) {
        transaction = reply.transaction
        isRefused = reply.error == nil ? reply.booleans == [false] : reply.waitOutcome != nil
        if !isLast, reply.error != nil { hasFailedEarly = true }
    }

    // MARK: One after the other

    /// Asks for a turn; looks and lines up in one step, since a task may be suspended between two.
    func lineUp(_ place: Int, _ continuation: CheckedContinuation<Turn, Never>) {
        if isBusy {
            line.append((place, continuation))
        } else {
            isBusy = true
            continuation.resume(returning: .begun)
        }
    }

    func leaveLine(_ place: Int, _ cause: Engine.EndCause) {
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

    /// The body is over.
    func beginEnd() {
        isAtEnd = true
        closeLine()
    }

    func closeLine() {
        defer { line = [] }
        for place in line { place.continuation.resume(returning: .closed) }
    }
}
