import LibPQ

/// What a session holds, and how; to be looked up from anywhere.
final class HeldModes: Sendable {
    private let modes = Locked<[LockKey: LockMode]>([:])

    subscript(key: LockKey) -> LockMode? { modes.withLock { $0[key] } }

    func replace(with held: [LockKey: LockMode]) {
        modes.withLock { $0 = held }
    }
}
