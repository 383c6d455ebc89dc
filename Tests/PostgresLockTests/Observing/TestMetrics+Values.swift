import MetricsTestKit

extension TestMetrics {
    private static func fits(_ dimensions: [(String, String)], _ wanted: [(String, String)]) -> Bool {
        wanted.allSatisfy { wanted in dimensions.contains { $0 == wanted } }
    }

    /// The times of all timers of this label that have these dimensions, and perhaps others.
    func times(_ label: String, _ dimensions: (String, String)...) -> [Int64] {
        timers.filter { $0.label == label && Self.fits($0.dimensions, dimensions) }.flatMap(\.values)
    }

    /// The sum of all counters of this label that have these dimensions, and perhaps others.
    func total(_ label: String, _ dimensions: (String, String)...) -> Int64 {
        counters.filter { $0.label == label && Self.fits($0.dimensions, dimensions) }.reduce(0) { $0 + $1.totalValue }
    }

    /// The last value of the meter of this label that has these dimensions, and perhaps others.
    func value(_ label: String, _ dimensions: (String, String)...) -> Double? {
        meters.first { $0.label == label && Self.fits($0.dimensions, dimensions) }?.lastValue
    }

    /// The values of all dimensions.
    var dimensionValues: [String] {
        (timers.map(\.dimensions) + counters.map(\.dimensions) + meters.map(\.dimensions)).flatMap { $0.map(\.1) }
    }
}
