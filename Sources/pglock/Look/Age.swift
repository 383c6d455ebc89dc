import Foundation

/// Lengths of time, as people read them.
enum Age {
    /// For instance `0.3 s`, `12 s`, `3 min 12 s`, `5 h 10 min`, `4 d 2 h`.
    static func text(_ seconds: Double) -> String {
        if seconds < 0 { return "0 s" }
        if seconds < 10 { return String(format: "%.1f s", seconds) }
        let whole = Int(min(seconds, 1e15))
        return switch whole {
        case ..<60: "\(whole) s"
        case ..<3_600: "\(whole / 60) min \(whole % 60) s"
        case ..<86_400: "\(whole / 3_600) h \(whole % 3_600 / 60) min"
        default: "\(whole / 86_400) d \(whole % 86_400 / 3_600) h"
        }
    }

    /// - Returns: `nil` if one of the times is not known.
    static func text(from start: Date?, to now: Date?) -> String? {
        guard let start, let now else { return nil }
        return text(now.timeIntervalSince(start))
    }
}
