import LockCore

/// What the log says already of attempts to connect that have failed, by the role of the session, so that an outage is not told of over and
/// over.
struct ConnectingOutages {
    private struct Reason: Equatable {
        let kind: Failure.Kind
        let sqlState: String?
    }

    private var reasons: [Engine.Role: Reason] = [:]
    private var failureCount = 0

    /// An attempt has failed.
    ///
    /// - Returns: Whether the attempt before it, for a session of the same role, has failed for the same reason.
    mutating func noteFailure(_ role: Engine.Role, _ failure: Failure) -> Bool {
        failureCount += 1
        let reason = Reason(kind: failure.kind, sqlState: failure.sqlState)
        return reasons.updateValue(reason, forKey: role) == reason
    }

    /// A session is open.
    ///
    /// - Returns: How many attempts have failed before it, since the last success.
    mutating func noteSuccess() -> Int {
        defer { self = ConnectingOutages() }
        return failureCount
    }
}
