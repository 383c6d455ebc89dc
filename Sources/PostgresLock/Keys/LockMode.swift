package import LockCore

/// Whether a lock is held by one alone, or by many at once.
public struct LockMode: Hashable, Sendable {
    package let core: Mode

    /// Nobody else holds the lock, in either mode.
    public static let exclusive = LockMode(core: .exclusive)

    /// Others may hold the lock in shared mode too, but nobody in exclusive mode.
    public static let shared = LockMode(core: .shared)
}

extension LockMode: CustomStringConvertible {
    /// `exclusive` or `shared`.
    public var description: String {
        core == .exclusive ? "exclusive" : "shared"
    }
}
