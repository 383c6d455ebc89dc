/// What to measure, and for how long.
struct Plan: Sendable {
    let rounds: Int
    let seconds: Double
    let fleetSeconds: Double
    let selection: Selection
    let cores: Cores
}
