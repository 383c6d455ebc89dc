import LibPQ

/// The modes in which a session holds keys. Can be read on any thread.
final class HeldModes: Sendable {
    private let modes = Locked<[LockKey: LockMode]>([:])

    var keys: [LockKey] { modes.withLock { Array($0.keys) } }

    subscript(key: LockKey) -> LockMode? {
        get { modes.withLock { $0[key] } }
        set { modes.withLock { $0[key] = newValue } }
    }
}
