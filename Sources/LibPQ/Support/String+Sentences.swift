// What the server, libpq and the system say comes as headings without a full stop ("duplicate key value"), as sentences, and as lines
// that are wrapped. These make sentences of it, to stand among others.
extension String {
    /// Ends with a full stop, unless it ends in another way; on one line.
    package var sentence: String {
        let text = unwrapped
        guard let last = text.last else { return "" }
        // A full stop inside quotation marks or brackets ends what they enclose, not the sentence.
        return ".!?:;…".contains(last) ? text : text + "."
    }

    /// Without a full stop at its end, to be continued; on one line.
    package var clause: String {
        var text = unwrapped
        while text.hasSuffix("."), !text.hasSuffix("...") { text.removeLast() }
        return text
    }

    /// Several texts, each as a sentence; those that are empty are left out.
    package static func sentences(_ parts: String?...) -> String {
        parts.compactMap { $0?.sentence }.filter { !$0.isEmpty }.joined(separator: " ")
    }

    /// A line that begins with a tab and a small letter goes on with the sentence before, as libpq wraps its own.
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

    /// With a capital at its beginning.
    package var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
