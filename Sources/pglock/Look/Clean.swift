/// Makes texts of others fit for a terminal: names of roles and locks may hold what moves the cursor.
enum Clean {
    static func text(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isUnfit) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { isUnfit($0) ? "\u{FFFD}" : $0 }))
    }

    private static func isUnfit(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .format: true
        // XML does not allow U+FFFE and U+FFFF.
        default: scalar.properties.isNoncharacterCodePoint
        }
    }
}
