/// A value of several rounds, and their spread.
struct Estimate: Equatable, Sendable {
    let value: Double
    /// From the least to the greatest value of a round; `nil` if no round has both of the values that are compared.
    let range: ClosedRange<Double>?

    init(value: Double, range: ClosedRange<Double>?) {
        self.value = value
        self.range = range
    }

    /// The median of these values; `nil` if there are none.
    init?(_ values: [Double]) {
        let sorted = values.sorted()
        guard let least = sorted.first, let most = sorted.last else { return nil }
        let middle = sorted.count / 2
        value = sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
        range = least...most
    }
}
