import Foundation

/// A password on its way through our values. Printing, dumping or reflecting on them, as a failing test does, does not
/// show it.
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
