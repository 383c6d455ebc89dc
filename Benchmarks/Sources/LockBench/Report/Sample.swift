/// One measurement.
struct Sample: Codable, Sendable {
    let round: Int
    let value: Double
    /// How many cores other processes used during the measurement, on average.
    let foreignCores: Double?
    let load: Double?
    let isDisturbed: Bool
}
