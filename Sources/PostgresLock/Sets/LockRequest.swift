/// One of several locks that are asked for together: a key, and the mode in which it is wanted.
public struct LockRequest: Hashable, Sendable {
    /// What to lock.
    public let key: LockKey

    /// How to lock it.
    public let mode: LockMode

    /// - Parameters:
    ///   - key: What to lock.
    ///   - mode: Alone, or together with other shared holders.
    public init(_ key: LockKey, mode: LockMode = .exclusive) {
        self.key = key
        self.mode = mode
    }

    /// Asks for the lock alone.
    public static func exclusive(_ key: LockKey) -> LockRequest {
        LockRequest(key, mode: .exclusive)
    }

    /// Asks for the lock together with other shared holders.
    public static func shared(_ key: LockKey) -> LockRequest {
        LockRequest(key, mode: .shared)
    }
}

// Names as keys.
extension LockRequest {
    /// See ``init(_:mode:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    public init(_ name: some StringProtocol, mode: LockMode = .exclusive) {
        self.init(LockKey(String(name)), mode: mode)
    }

    /// See ``exclusive(_:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    public static func exclusive(_ name: some StringProtocol) -> LockRequest { exclusive(LockKey(String(name))) }

    /// See ``shared(_:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    public static func shared(_ name: some StringProtocol) -> LockRequest { shared(LockKey(String(name))) }
}

extension LockRequest: CustomStringConvertible {
    /// The mode and the key.
    public var description: String { "\(mode) \(key)" }
}
