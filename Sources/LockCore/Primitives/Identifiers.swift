/// Names one call: an acquire until it is answered, then the lock that it holds.
package struct RequestID: Hashable, Comparable, Sendable {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// No request at all.
    package static let none = RequestID(.max)

    package static func < (left: RequestID, right: RequestID) -> Bool {
        left.rawValue < right.rawValue
    }

    /// The slot of a ``RequestMap`` for the request's value.
    package var slot: Int { Int(truncatingIfNeeded: rawValue & 0xFFFF_FFFF) }

    /// The next request in the same slot.
    var successor: RequestID { RequestID(rawValue &+ 1 << 32) }
}

/// Names one server session for as long as the process lives; never used twice.
package struct ConnectionID: Hashable, Comparable, Sendable {
    package let rawValue: Int

    package init(_ rawValue: Int) {
        self.rawValue = rawValue
    }

    package static func < (left: ConnectionID, right: ConnectionID) -> Bool {
        left.rawValue < right.rawValue
    }
}

extension RequestID: CustomStringConvertible {
    package var description: String { "request \(rawValue)" }
}

extension ConnectionID: CustomStringConvertible {
    package var description: String { "connection \(rawValue)" }
}
