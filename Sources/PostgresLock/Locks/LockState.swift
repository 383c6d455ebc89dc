import LibPQ
import LockCore
import Synchronization

/// What has become of one granted lock; shared by its handle, its views and the driver. Before it is granted, it is the
/// call that asks for it.
///
/// There may be a hundred thousand of these at a time. So they share a few mutexes, and what few of them need is kept in an object
/// of its own.
///
/// Unchecked, because `aside` is only touched under the mutex.
final class LockState: PendingCall, @unchecked Sendable {
    /// A class, so that a lock without it costs a pointer only.
    private final class Aside {
        /// Of a call for any of several keys.
        var choice: [LockKey] = []
        var loss: LockError?
        var token: FencingToken?
        var request: ReleaseRequestState?
        var nextObserver = 0
        /// In the order of their numbers.
        var observers: [(number: Int, observer: EndObserver)] = []
    }

    private static let mutexes = MutexStripes()

    /// Of a call for any of several keys, it is written once, on the loop, before the call has an outcome.
    @exclusivity(unchecked) private(set) var key: LockKey
    /// Changes with the mode of the lock.
    private let currentMode: Atomic<UInt8>
    /// A `GrantState`. Changed under the mutex only.
    private let phase = Atomic(GrantState.held.rawValue)
    // Neither is accessed while other code runs: the one is behind a mutex, and the other is only read or written as a whole.
    @exclusivity(unchecked) private var aside: Aside?
    /// The call that asks for the lock, if it is observed. Written before the lock is asked for; for a set, before it is given out.
    @exclusivity(unchecked) var observed: ObservedCall?
    /// Written once, on the loop, before any task but that of the call knows of the lock. Readers read ``phase`` first, which is written
    /// after it. The runtime alone would order only the resumed task.
    private nonisolated(unsafe) var sessionValidity: SessionValidity?

    /// When it was granted, on the loop; the smallest time before that.
    @exclusivity(unchecked) private var granted = Instant(nanoseconds: .min)

    /// When it was granted; `nil` before that. Touched on the loop only.
    var grantedAt: Instant? {
        get { granted.nanoseconds == .min ? nil : granted }
        set { granted = newValue ?? Instant(nanoseconds: .min) }
    }

    /// Of the session that holds it; `nil` without a lease.
    var validity: SessionValidity? {
        get { sessionValidity }
        set {
            sessionValidity = newValue
            phase.bitwiseOr(0, ordering: .releasing)
        }
    }

    init(key: LockKey, mode: LockMode) {
        self.key = key
        currentMode = Atomic(mode.core.rawValue)
    }

    /// A call for any of several keys.
    ///
    /// - Parameter keys: At least one.
    convenience init(anyOf keys: [LockKey], mode: LockMode) {
        self.init(key: keys[0], mode: mode)
        withAside { aside in
            aside = Aside()
            aside?.choice = keys
        }
    }

    /// What a call for any of several keys asks for; empty for others.
    private var choice: [LockKey] { withAside { $0?.choice ?? [] } }

    /// What the call asks for, or its lock is on.
    var asked: [LockKey] {
        let choice = choice
        return choice.isEmpty ? [key] : choice
    }

    /// Called on the loop: the lock will be on this one of the keys.
    func choose(_ advisory: AdvisoryKey) {
        if let key = choice.first(where: { $0.advisory == advisory }) { self.key = key }
    }

    var mode: LockMode {
        get { currentMode.load(ordering: .acquiring) == Mode.shared.rawValue ? .shared : .exclusive }
        set { currentMode.store(newValue.core.rawValue, ordering: .releasing) }
    }

    /// What remains to be done with it.
    private var grant: GrantState { GrantState(rawValue: phase.load(ordering: .acquiring)) ?? .lost }

    /// Whether it is held for certain.
    var isHeld: Bool { grant == .held && sessionValidity?.isValid ?? true }

    /// Whether it has neither been released nor been lost for certain: then it is still to be released.
    var isOpen: Bool { grant.isToBeReleased }

    /// Why it was lost, or is in doubt. That a lock has a loss does not say that there is nothing to release: see ``isOpen``.
    var loss: LockError? {
        let grant = grant
        guard grant == .lost || grant == .suspect else { return nil }
        return withAside { $0?.loss }
    }

    /// A loss that has come since the release began, or before.
    var lateLoss: LockError? { withAside { $0?.loss } }

    /// The fencing token; `nil` if there is none, or none yet.
    var token: FencingToken? {
        get { withAside { $0?.token } }
        set {
            withAside { aside in
                aside = aside ?? Aside()
                aside?.token = newValue
            }
        }
    }

    /// That another process asks for the release of the lock; `nil` if none does.
    var releaseRequest: ReleaseRequestState? { withAside { $0?.request } }

    /// Another process asks for the release. Observers are told once.
    func requestRelease(cancelsBody: Bool) {
        let (observers, request) = withAside { aside -> ([EndObserver], ReleaseRequestState) in
            let observers = aside?.observers.map(\.observer) ?? []
            let request = ReleaseRequestState(cancelsBody: cancelsBody && !observers.contains(where: \.replacesCancellation))
            guard grant == .held, aside?.request == nil else { return ([], request) }
            aside = aside ?? Aside()
            aside?.request = request
            return (observers, request)
        }
        EndObserver.tell(observers, of: request)
    }

    /// Ends the lock, once: by release without an error, by loss with one.
    ///
    /// - Returns: Whether it had been held until now.
    @discardableResult
    func end(_ loss: LockError?) -> Bool {
        guard let observers = withAside({ self.conclude(loss, &$0) }) else { return false }
        if !observers.isEmpty { EndObserver.tell([(observers, isLoss: loss != nil)]) }
        return true
    }

    /// Ends locks that are lost together. Observers of one loss find all of them lost.
    ///
    /// - Parameter isSuspicion: Whether the locks may be held all the same, and have to be released.
    /// - Returns: How many of them had been held until now.
    @discardableResult
    static func end(_ losses: [(state: LockState, error: LockError)], isSuspicion: Bool = false) -> Int {
        // All mutexes at once: an observer that comes meanwhile learns of a lock that has ended when the others have, too.
        let ends = mutexes.withAll {
            losses.compactMap { loss in
                loss.state.conclude(loss.error, isSuspicion: isSuspicion, &loss.state.aside).map { (observers: $0, isLoss: true) }
            }
        }
        EndObserver.tell(ends)
        return ends.count
    }

    /// The holder begins to release the lock.
    ///
    /// - Returns: Whether there is something to release at the server. A suspect lock is lost from now on.
    func beginRelease() -> Bool {
        if end(nil) { return true }
        return withAside { _ in change { $0.beginRelease() } }
    }

    /// The caller that has asked for the lock resumes. See `GrantState.claim`.
    func claim() -> GrantState.Claim {
        guard grant != .held else { return .held }
        return withAside { _ in change { $0.claim() } }
    }

    /// Under the mutex.
    private func change<Result>(_ body: (inout GrantState) -> Result) -> Result {
        var grant = grant
        defer { phase.store(grant.rawValue, ordering: .releasing) }
        return body(&grant)
    }

    /// Under the mutex.
    ///
    /// - Returns: The observers to tell; `nil` if the lock had ended before.
    private func conclude(_ loss: LockError?, isSuspicion: Bool = false, _ aside: inout Aside?) -> [EndObserver]? {
        // The observers know of a suspected loss, and of its first reason.
        guard grant == .held else {
            if let loss {
                _ = change { $0.end(isSuspicion ? .suspected : .lost) }
                // A loss after a release has begun is what the release throws.
                aside = aside ?? Aside()
                aside?.loss = aside?.loss ?? loss
            }
            return nil
        }
        let observers = aside?.observers.map(\.observer) ?? []
        aside?.observers = []
        if let loss {
            aside = aside ?? Aside()
            aside?.loss = loss
        }
        _ = change { $0.end(isSuspicion ? .suspected : loss == nil ? .released : .lost) }
        return observers
    }

    /// Tells `observer` once, when the lock ends; at once, on this thread, if it has ended.
    ///
    /// - Returns: A number by which to remove the observer.
    @discardableResult
    func observe(_ observer: EndObserver) -> Int {
        let (number, isLoss, request) = withAside { aside -> (Int, Bool?, ReleaseRequestState?) in
            guard grant == .held else { return (0, aside?.loss != nil, nil) }
            let changed = aside ?? Aside()
            changed.nextObserver += 1
            changed.observers.append((changed.nextObserver, observer))
            aside = changed
            return (changed.nextObserver, nil, changed.request)
        }
        if let isLoss { observer.tell(isLoss: isLoss) } else if let request { EndObserver.tell([observer], of: request) }
        return number
    }

    /// Removes an observer, if it was not told.
    func forget(_ number: Int) {
        withAside { aside in
            guard let index = aside?.observers.firstIndex(where: { $0.number == number }) else { return }
            aside?.observers.remove(at: index)
        }
    }

    /// Removes the observer of a body, if it was not told.
    func forget(_ body: BodyTask) {
        withAside { aside in
            // From the end, where the body that ends now mostly is.
            guard let index = aside?.observers.lastIndex(where: { $0.observer.isBody(body) }) else { return }
            aside?.observers.remove(at: index)
        }
    }

    private func withAside<Result>(_ body: (inout Aside?) -> Result) -> Result {
        Self.mutexes.withLock(of: self) { body(&aside) }
    }
}
