/// One metric of one contender in all rounds.
struct Row: Codable, Sendable {
    let contender: String
    let title: String
    let metric: Metric
    let isOurs: Bool
    var samples: [Sample] = []

    /// The samples that count: the undisturbed ones, or all if there are none.
    private var counted: [Sample] {
        let undisturbed = samples.filter { !$0.isDisturbed }
        return undisturbed.isEmpty ? samples : undisturbed
    }

    /// Whether there are samples, and all are disturbed.
    var isFlagged: Bool { !samples.isEmpty && samples.allSatisfy(\.isDisturbed) }

    var countedRounds: Int { counted.count }

    var median: Double? { estimate?.value }

    /// The median, and the range from the least to the greatest value.
    var estimate: Estimate? { Estimate(counted.map(\.value)) }

    /// The ratio of the medians of this row and another one. The range is of the ratios within a round.
    func ratio(to other: Row) -> Estimate? {
        guard let ours = median, let theirs = other.median, theirs != 0 else { return nil }
        let ratios = counted.compactMap { sample -> Double? in
            guard let counterpart = other.counted.first(where: { $0.round == sample.round }), counterpart.value != 0 else { return nil }
            return sample.value / counterpart.value
        }
        return Estimate(value: ours / theirs, range: Estimate(ratios)?.range)
    }
}
