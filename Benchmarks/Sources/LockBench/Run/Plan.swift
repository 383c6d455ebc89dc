/// The workloads to measure, and the length of their measurements.
struct Plan: Sendable {
    let rounds: Int
    let seconds: Double
    let fleetSeconds: Double
    /// The workloads to measure; empty for all.
    let only: Set<String>
    let cores: Cores

    func includes(_ workload: String) -> Bool {
        only.isEmpty || only.contains(workload)
    }
}
