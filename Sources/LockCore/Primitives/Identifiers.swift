/// Names one call of a user: an acquire until it is answered, then the lock that it holds.
package struct RequestID: Hashable, Sendable {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// Names one server session for as long as the process lives; never used twice.
package struct ConnectionID: Hashable, Sendable {
    package let rawValue: Int

    package init(_ rawValue: Int) {
        self.rawValue = rawValue
    }
}

extension RequestID: CustomStringConvertible {
    package var description: String { "request \(rawValue)" }
}

extension ConnectionID: CustomStringConvertible {
    package var description: String { "connection \(rawValue)" }
}
