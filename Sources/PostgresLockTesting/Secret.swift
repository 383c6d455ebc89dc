import Foundation

/// A password. Printing, dumping or reflecting on a value that contains it, as a failing test does, shows a mask.
struct Secret: Sendable, CustomStringConvertible, CustomReflectable {
    let value: String

    private static let mask = "********"

    var description: String { Self.mask }
    var customMirror: Mirror { Mirror(self, children: []) }

    /// The text with the secret masked wherever it occurs.
    func masked(in text: String) -> String {
        value.isEmpty ? text : text.replacingOccurrences(of: value, with: Self.mask)
    }
}
