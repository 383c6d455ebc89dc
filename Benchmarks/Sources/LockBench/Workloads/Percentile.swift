/// Percentiles by the nearest rank: the smallest value that is not exceeded by at least this part of all values.
enum Percentile {
    /// - Parameter part: The part, above 0 and at most 1.
    /// - Returns: `nil` if there are no values.
    static func of(_ values: [Double], _ part: Double) -> Double? {
        guard !values.isEmpty else { return nil }
        let rank = Int((part * Double(values.count)).rounded(.up))
        return values.sorted()[min(max(rank, 1), values.count) - 1]
    }
}
