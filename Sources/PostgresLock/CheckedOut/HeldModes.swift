import LibPQ

/// What a session holds, and how; to be looked up from anywhere.
final class HeldModes: Sendable {
    private let modes = Locked<[LockKey: LockMode]>([:])

    subscript(key: LockKey) -> LockMode? {
        get { modes.withLock { $0[key] } }
        set { modes.withLock { $0[key] = newValue } }
    }
}
