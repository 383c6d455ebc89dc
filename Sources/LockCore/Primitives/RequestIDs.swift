/// Names requests, such that few places serve many requests one after the other. See ``RequestMap``.
package struct RequestIDs: Sendable {
    private var free: [RequestID] = []
    private var slots: UInt64 = 0

    package init() {}

    package mutating func make() -> RequestID {
        if let id = free.popLast() { return id }
        defer { slots += 1 }
        return RequestID(slots)
    }

    /// The request is over, and nobody will ask for it except in error.
    package mutating func recycle(_ id: RequestID) {
        free.append(id.successor)
    }
}
