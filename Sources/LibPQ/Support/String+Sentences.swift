// Messages of the server, libpq and the system are headings without a full stop ("duplicate key value"), sentences, or wrapped lines. These
// make sentences of them, for use in longer messages.
extension String {
    /// The text on one line, with a full stop unless it ends with other punctuation.
    package var sentence: String {
        let text = unwrapped
        guard let last = text.last else { return "" }
        // A full stop inside quotation marks or brackets ends what they enclose, not the sentence.
        return ".!?:;…".contains(last) ? text : text + "."
    }

    /// The text on one line, without a full stop.
    package var clause: String {
        var text = unwrapped
        while text.hasSuffix("."), !text.hasSuffix("...") { text.removeLast() }
        return text
    }

    /// Several texts, each as a sentence, without the empty ones.
    package static func sentences(_ parts: String?...) -> String {
        parts.compactMap { $0?.sentence }.filter { !$0.isEmpty }.joined(separator: " ")
    }

    /// The text on one line. A line that begins with a tab and a small letter continues the sentence before it, as libpq wraps its messages.
    private var unwrapped: String {
        var text = ""
        for line in split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            guard let first = words.first else { continue }
            if !text.isEmpty {
                let isContinued = line.first?.isWhitespace == true && !first.isUppercase
                if !isContinued, let last = text.last, !".!?:;,…".contains(last) { text += "." }
                text += " "
            }
            text += words
        }
        return text
    }

    /// The text with a capital first letter.
    package var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
