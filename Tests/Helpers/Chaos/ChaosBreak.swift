/// A promise of a recipe that the workers of a chaos run break on purpose, to see that the check of their history finds it.
///
/// The workers break it by what they ask of the library: what is wrong in their history has happened on the server.
package enum ChaosBreak: String, CaseIterable, Sendable {
    /// In some campaigns a worker does not ask for the lock of the lead, but for one that is its own, and leads.
    case leaders
    /// The workers agree on a semaphore with one permit more than its limit.
    case permits
    /// In some calls a worker takes a permit of a semaphore that is its own.
    case ownPermits = "own-permits"
    /// At some times a worker takes part in shares that are its own, and so works on all of them.
    case shares
    /// In some calls a worker does not claim the run of the job that runs at most once, but that of one of its own, and runs the job.
    case intervals
    /// In every second interval the run of the job that runs at least once is claimed and recorded as done, but the job is not run.
    case skippedInterval = "skipped-interval"

    /// Whether the violation is one that this can lead to. Any other one is a fault of the library, or of the check.
    package func explains(_ violation: String) -> Bool {
        switch self {
        case .leaders: isOverlap(violation, in: ChaosRecipe.leadKey...ChaosRecipe.leadKey)
        case .ownPermits: isOverlap(violation, in: ChaosRecipe.permitKeys)
        case .shares: isOverlap(violation, in: ChaosRecipe.shareKeys)
        case .permits: violation.hasPrefix("a permit has a number beyond the limit")
        case .intervals: violation.hasPrefix("a job that runs at most once was run")
        case .skippedInterval: violation.hasPrefix("the interval from")
        }
    }

    private func isOverlap(_ violation: String, in keys: ClosedRange<Int>) -> Bool {
        let beginnings = ["conflicting locks overlap", "the later lock has the lower token"]
        guard beginnings.contains(where: { violation.hasPrefix($0) }), let key = Self.key(in: violation) else { return false }
        return keys.contains(key)
    }

    /// The key that the violation names first.
    private static func key(in violation: String) -> Int? {
        guard let word = violation.firstRange(of: " key ") else { return nil }
        return Int(violation[word.upperBound...].prefix(while: \.isNumber))
    }
}
