import CLibPQ

/// An error or notice that the server has sent, field by field.
package struct ServerError: Error, Hashable, Sendable {
    /// In English, whatever the server's language: `ERROR`, `FATAL`, `WARNING`, …
    package let severity: String
    package let sqlState: String
    package let message: String
    package let detail: String?
    package let hint: String?

    package init(severity: String, sqlState: String, message: String, detail: String? = nil, hint: String? = nil) {
        self.severity = severity
        self.sqlState = sqlState
        self.message = message
        self.detail = detail
        self.hint = hint
    }

    /// Message, detail and hint, in sentences.
    package var text: String { .sentences(message, detail, hint) }

    /// The session is over after it. When the server stops at once or another of its processes has crashed, it says so by a
    /// warning.
    package var endsSession: Bool {
        switch severity {
        case "FATAL", "PANIC": true
        case "WARNING": sqlState == "57P01" || sqlState == "57P02"
        default: false
        }
    }

    /// - Parameter result: A `PGresult` with an error or a notice.
    init(result: OpaquePointer) {
        func field(_ code: Character) -> String? {
            guard let ascii = code.asciiValue, let text = PQresultErrorField(result, Int32(ascii)) else { return nil }
            return String(cString: text)
        }
        // The unlocalized severity (field V) exists since server version 9.6.
        severity = field("V") ?? field("S") ?? "ERROR"
        sqlState = field("C") ?? ""
        message = field("M") ?? String(cString: PQresultErrorMessage(result)).trimmingNewlines
        detail = field("D")
        hint = field("H")
    }
}

extension String {
    var trimmingNewlines: String {
        var text = self[...]
        while let last = text.last, last.isNewline { text.removeLast() }
        return String(text)
    }
}
