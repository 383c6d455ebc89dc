/// A job that workers run once per interval.
package enum ChaosJob: String, Codable, CaseIterable, Sendable {
    case atMostOnce, atLeastOnce

    /// In seconds. Longer than all that a repetition has to wait for, leases of two seconds included.
    package static let interval = 10
    /// How long after the beginning of an aborted run it is repeated at the earliest, in seconds.
    package static let repeatingAfter = 1
    /// How long after the beginning of a run the next one can begin at the latest, in seconds: its lock may be kept for a lease of two seconds, and the
    /// server notices that the lease is over some time later.
    package static let longestAbort = 5.0
}
