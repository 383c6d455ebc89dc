import LockCore

/// What came of one run.
package struct SimulationReport: Hashable, Sendable {
    package let seed: UInt64
    package let tally: SimulationTally
    let end: Instant
    /// The promises that were found broken.
    package let violations: [String]
    let profile: String

    /// What was broken, and in what kind of run. The first violations say most: those behind them follow from them.
    package var description: String {
        (violations.prefix(3) + [profile]).joined(separator: "\n")
    }
}
