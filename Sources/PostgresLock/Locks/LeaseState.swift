import LibPQ
import LockCore
import Synchronization

/// What has become of one granted lock; shared by its handle, its views and the manager. Before it is granted, it is the
/// call that asks for it.
///
/// There may be a hundred thousand of these at a time: so there is no mutex in each, but a few for all, and what few of
/// them need is kept aside.
///
/// Unchecked, because `aside` is only touched under the mutex of its stripe.
final class LeaseState: PendingCall, @unchecked Sendable {
    private enum Phase {
        static let held: UInt8 = 0
        static let released: UInt8 = 1
        static let lost: UInt8 = 2
    }

    /// A class, so that those that have none pay for a pointer only.
    private final class Aside {
        let loss: LockError?
        var nextObserver = 0
        var observers: [Int: @Sendable (LockError?) -> Void] = [:]

        init(loss: LockError? = nil) {
            self.loss = loss
        }
    }

    /// An empty value would do; but having no size, it shares its address with the mutex, and the Thread Sanitizer takes the
    /// one for the other.
    private static let stripes = (0..<16).map { _ in Locked(false) }

    let key: LockKey
    /// Changes with the mode of the lock.
    private let currentMode: Atomic<UInt8>
    private let phase = Atomic(Phase.held)
    private var aside: Aside?

    init(key: LockKey, mode: LockMode) {
        self.key = key
        currentMode = Atomic(mode.core.rawValue)
    }

    var mode: LockMode {
        get { currentMode.load(ordering: .acquiring) == Mode.shared.rawValue ? .shared : .exclusive }
        set { currentMode.store(newValue.core.rawValue, ordering: .releasing) }
    }

    var isHeld: Bool { phase.load(ordering: .acquiring) == Phase.held }

    var loss: LockError? {
        guard phase.load(ordering: .acquiring) == Phase.lost else { return nil }
        return withAside { $0?.loss }
    }

    /// Ends the lease, once: by release without an error, by loss with one.
    ///
    /// - Returns: Whether it had been held until now.
    @discardableResult
    func end(_ loss: LockError?) -> Bool {
        guard let observers = conclude(loss) else { return false }
        for observer in observers {
            observer(loss)
        }
        return true
    }

    /// Ends leases that are lost together: whoever learns of one loss finds all of them.
    static func end(_ losses: [(lease: LeaseState, error: LockError)]) {
        let concluded = losses.map { (observers: $0.lease.conclude($0.error) ?? [], error: $0.error) }
        for (observers, error) in concluded {
            for observer in observers { observer(error) }
        }
    }

    /// - Returns: Who is to be told; `nil` if the lease had ended before.
    private func conclude(_ loss: LockError?) -> [@Sendable (LockError?) -> Void]? {
        withAside { aside in
            guard phase.load(ordering: .relaxed) == Phase.held else { return nil }
            let observers = aside?.observers.sorted { $0.key < $1.key }.map(\.value) ?? []
            aside = loss.map { Aside(loss: $0) }
            phase.store(loss == nil ? Phase.released : Phase.lost, ordering: .releasing)
            return observers
        }
    }

    /// Calls `observer` once, when the lease ends; at once if it has ended.
    ///
    /// - Parameter isFirst: Whether it is called before those that are not: whoever wakes up to a loss inside a body is to
    ///   find the body cancelled.
    /// - Returns: A number by which to take the observer back.
    @discardableResult
    func observe(isFirst: Bool = false, _ observer: @escaping @Sendable (LockError?) -> Void) -> Int {
        let (number, ended) = withAside { aside -> (Int, LockError??) in
            guard phase.load(ordering: .relaxed) == Phase.held else { return (0, .some(aside?.loss)) }
            let changed = aside ?? Aside()
            changed.nextObserver += 1
            let number = isFirst ? -changed.nextObserver : changed.nextObserver
            changed.observers[number] = observer
            aside = changed
            return (number, nil)
        }
        if let ended { observer(ended) }
        return number
    }

    /// Takes an observer back. Returns whether it had not been called.
    func forget(_ number: Int) -> (@Sendable (LockError?) -> Void)? {
        withAside { $0?.observers.removeValue(forKey: number) }
    }

    private func withAside<Result>(_ body: (inout Aside?) -> Result) -> Result {
        let stripe = Self.stripes[Int(bitPattern: Unmanaged.passUnretained(self).toOpaque()) >> 5 & 15]
        return stripe.withLock { _ in UncheckedTransfer(body(&aside)) }.value
    }
}
