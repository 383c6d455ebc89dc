import LockCore

// Numbers stand for what they name, so that event sequences read as such.

extension RequestID: ExpressibleByIntegerLiteral {
    package init(integerLiteral value: UInt64) {
        self.init(value)
    }
}

extension ConnectionID: ExpressibleByIntegerLiteral {
    package init(integerLiteral value: Int) {
        self.init(value)
    }
}

extension AdvisoryKey: ExpressibleByIntegerLiteral {
    package init(integerLiteral value: Int64) {
        self.init(value)
    }
}

extension Failure {
    static let lost = Failure(.connectionLost, "The connection was lost.")
    static let closing = Failure(.shutDown, .shutDown)
    static let full = Failure(.lockTableFull, "The lock table is full.", sqlState: "53200")
    static let cancelledByServer = Failure(.cancelled, "Cancelled.", sqlState: "57014")
}

extension Duration {
    var instant: Instant { Instant(nanoseconds: clampedNanoseconds) }
}
