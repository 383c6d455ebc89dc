/// A guard that the workers of a failover run leave out on purpose, to see that the check of their history finds what it prevents.
package enum FailoverBreak: String, CaseIterable, Sendable {
    /// The workers' managers have no lease, so a holder believes in its lock until the server that has stopped answering is given up.
    case lease
    /// The guarded table takes every write, also one whose token is lower than that of the last one.
    case fencing

    /// The last argument of a worker of a failover run.
    package static func workerOption(_ breaking: FailoverBreak?) -> String {
        breaking.map { "failover-without-\($0.rawValue)" } ?? "failover"
    }

    /// Whether the violation is one that this can lead to. Any other one is a fault of the library, or of the check.
    package func explains(_ violation: String) -> Bool {
        let results =
            switch self {
            case .lease:
                // Who believes in its lock for too long is also refused its writes, and reads those of others.
                [
                    "locks of two servers overlap", "a call has overshot", "to end after its locks",
                    "the write of a lock's holder was refused", "a write with the token",
                ]
            case .fencing:
                ["a stale holder's write was accepted", "a write with the token"]
            }
        return results.contains { violation.contains($0) }
    }
}
