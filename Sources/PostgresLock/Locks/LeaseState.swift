import LibPQ
import LockCore

/// What has become of one granted lock; shared by its handle, its views and the manager.
final class LeaseState: Sendable {
    private enum Phase {
        case held
        case released
        case lost(LockError)
    }

    private struct State {
        var phase = Phase.held
        var nextObserver = 0
        var observers: [Int: @Sendable (LockError?) -> Void] = [:]
    }

    let id: RequestID
    let key: LockKey
    let mode: LockMode
    private let state = Locked(State())

    init(id: RequestID, key: LockKey, mode: LockMode) {
        self.id = id
        self.key = key
        self.mode = mode
    }

    var isHeld: Bool {
        state.withLock { if case .held = $0.phase { true } else { false } }
    }

    var loss: LockError? {
        state.withLock { if case .lost(let error) = $0.phase { error } else { nil } }
    }

    /// Ends the lease, once: by release without an error, by loss with one.
    func end(_ loss: LockError?) {
        for observer in conclude(loss) {
            observer(loss)
        }
    }

    /// Ends leases that are lost together: whoever learns of one loss finds all of them.
    static func end(_ losses: [(lease: LeaseState, error: LockError)]) {
        let concluded = losses.map { (observers: $0.lease.conclude($0.error), error: $0.error) }
        for (observers, error) in concluded {
            for observer in observers { observer(error) }
        }
    }

    private func conclude(_ loss: LockError?) -> [@Sendable (LockError?) -> Void] {
        state.withLock { state in
            guard case .held = state.phase else { return [] }
            state.phase = loss.map(Phase.lost) ?? .released
            defer { state.observers = [:] }
            return state.observers.sorted { $0.key < $1.key }.map(\.value)
        }
    }

    /// Calls `observer` once, when the lease ends; at once if it has ended.
    ///
    /// - Parameter isFirst: Whether it is called before those that are not: whoever wakes up to a loss inside a body is to
    ///   find the body cancelled.
    /// - Returns: A number by which to take the observer back.
    @discardableResult
    func observe(isFirst: Bool = false, _ observer: @escaping @Sendable (LockError?) -> Void) -> Int {
        let (number, ended) = state.withLock { state -> (Int, LockError??) in
            switch state.phase {
            case .held:
                state.nextObserver += 1
                let number = isFirst ? -state.nextObserver : state.nextObserver
                state.observers[number] = observer
                return (number, nil)
            case .released:
                return (0, .some(nil))
            case .lost(let error):
                return (0, .some(error))
            }
        }
        if let ended { observer(ended) }
        return number
    }

    /// Takes an observer back. Returns whether it had not been called.
    func forget(_ number: Int) -> (@Sendable (LockError?) -> Void)? {
        state.withLock { $0.observers.removeValue(forKey: number) }
    }
}
