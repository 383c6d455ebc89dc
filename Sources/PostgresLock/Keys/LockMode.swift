package import LockCore

/// How a lock is held: by one holder alone, or by several together.
public enum LockMode: Hashable, Sendable, CaseIterable {
    /// The holder is alone: no other session holds the lock, in either mode.
    case exclusive

    /// Other sessions may hold the lock in shared mode too, but none in exclusive mode.
    case shared
}

extension LockMode {
    package init(core: Mode) {
        self = core == .exclusive ? .exclusive : .shared
    }

    package var core: Mode { self == .exclusive ? .exclusive : .shared }
}

extension LockMode: CustomStringConvertible {
    /// `exclusive` or `shared`.
    public var description: String { self == .exclusive ? "exclusive" : "shared" }
}
