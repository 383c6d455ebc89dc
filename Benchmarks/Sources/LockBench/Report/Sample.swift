/// One measurement.
struct Sample: Codable, Sendable {
    let round: Int
    let value: Double
    /// What others used of the machine meanwhile.
    let foreignCores: Double?
    let load: Double?
    let isDisturbed: Bool
}
