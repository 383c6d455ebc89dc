/// One metric of one contender in all rounds.
struct Row: Codable, Sendable {
    let contender: String
    let title: String
    let metric: Metric
    let isOurs: Bool
    var samples: [Sample] = []

    /// The values that count: those of undisturbed samples, or all if there are none.
    private var counted: [Double] {
        let undisturbed = samples.filter { !$0.isDisturbed }
        return (undisturbed.isEmpty ? samples : undisturbed).map(\.value).sorted()
    }

    /// Whether there are samples, and all are disturbed.
    var isFlagged: Bool { !samples.isEmpty && samples.allSatisfy(\.isDisturbed) }

    var countedRounds: Int { counted.count }

    var median: Double? {
        let values = counted
        guard !values.isEmpty else { return nil }
        let middle = values.count / 2
        return values.count.isMultiple(of: 2) ? (values[middle - 1] + values[middle]) / 2 : values[middle]
    }

    var range: ClosedRange<Double>? {
        guard let least = counted.first, let most = counted.last else { return nil }
        return least...most
    }

    var label: String {
        metric.title.isEmpty ? title : "\(title): \(metric.title)"
    }
}
