import Foundation

/// Maps values to positions on an axis.
struct Scale {
    let isLogarithmic: Bool
    private let low: Double
    private let high: Double

    /// The scale is logarithmic if the largest value is more than 20 times the smallest one, whose linear bar would be too short to see.
    init(_ values: [Double]) {
        let positive = values.filter { $0 > 0 }
        let most = positive.max() ?? 1
        let least = positive.min() ?? 1
        isLogarithmic = most > 20 * least
        if isLogarithmic {
            // The axis begins below the smallest value, so that its bar is visible.
            low = pow(10, (log10(least) - 0.15).rounded(.down))
            high = most * 1.1
        } else {
            low = 0
            high = most * 1.05
        }
    }

    /// The position of a value, from 0 to 1.
    func position(_ value: Double) -> Double {
        guard isLogarithmic else { return min(max(value / high, 0), 1) }
        guard value > low else { return 0 }
        return min(log10(value / low) / log10(high / low), 1)
    }

    /// Round values on the axis, for the grid.
    var ticks: [Double] {
        if isLogarithmic {
            return (Int(log10(low).rounded())...Int(log10(high).rounded(.down))).map { pow(10, Double($0)) }
        }
        let rough = high / 5
        let power = pow(10, log10(rough).rounded(.down))
        let step = [1, 2, 2.5, 5, 10].map { $0 * power }.first { $0 >= rough } ?? power
        return Array(stride(from: 0, through: high, by: step))
    }
}
