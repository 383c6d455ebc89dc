import Foundation

/// Formats numbers.
enum Numbers {
    /// A number with commas between groups of three digits.
    static func grouped(_ number: Int) -> String {
        var digits = String(number.magnitude)
        var groups: [String] = []
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        return (number < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
    }

    /// A number with three or four significant digits.
    static func text(_ value: Double) -> String {
        switch abs(value) {
        case 0: "0"
        case 1_000_000...: grouped(Int((value / 1000).rounded()) * 1000)
        case 10_000...: grouped(Int((value / 100).rounded()) * 100)
        case 100...: grouped(Int(value.rounded()))
        case 10...: String(format: "%.1f", value)
        default: String(format: "%.3g", value)
        }
    }
}
