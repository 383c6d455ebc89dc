/// Names requests, and uses the slots of ended requests again. See ``RequestMap``.
package struct RequestIDs: Sendable {
    private var free: [RequestID] = []
    private var slots: UInt64 = 0

    package init() {}

    package mutating func make() -> RequestID {
        if let id = free.popLast() { return id }
        defer { slots += 1 }
        return RequestID(slots)
    }

    /// The request has ended. From then on its identifier finds nothing.
    package mutating func recycle(_ id: RequestID) {
        free.append(id.successor)
    }
}
