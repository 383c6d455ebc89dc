/// What to measure, and for how long.
struct Plan: Sendable {
    let rounds: Int
    let seconds: Double
    let fleetSeconds: Double
    /// The workloads; none means all.
    let only: Set<String>
    let cores: Cores

    func includes(_ workload: String) -> Bool {
        only.isEmpty || only.contains(workload)
    }
}
