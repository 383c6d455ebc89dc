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

extension LockRequest: CustomStringConvertible {
    /// The mode and the key.
    public var description: String { "\(mode) \(key)" }
}

extension [LockRequest] {
    /// Each key once, in the stronger of the modes in which it is wanted, in the order that all processes go by.
    var inOrder: [LockRequest] {
        var merged: [LockRequest] = []
        for request in sorted(by: { $0.key.advisory < $1.key.advisory }) {
            guard let last = merged.last, last.key == request.key else {
                merged.append(request)
                continue
            }
            if request.mode == .exclusive { merged[merged.count - 1] = LockRequest(last.key, mode: .exclusive) }
        }
        return merged
    }
}
