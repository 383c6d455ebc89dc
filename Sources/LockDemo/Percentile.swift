/// Percentiles by the nearest-rank method, so each is one of the values.
enum Percentile {
    static func of(_ values: [Duration], _ percent: Int) -> Duration? {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return nil }
        let rank = (sorted.count * percent + 99) / 100
        return sorted[min(max(rank, 1), sorted.count) - 1]
    }
}
