import LockCore

/// The result of one run.
package struct SimulationReport: Hashable, Sendable {
    package let seed: UInt64
    package let tally: SimulationTally
    let end: Instant
    /// The broken promises.
    package let violations: [String]
    let profile: String

    /// The broken promises, and the parameters of the run. The first violations say most, since later ones follow from them.
    package var description: String {
        (violations.prefix(3) + [profile]).joined(separator: "\n")
    }
}
