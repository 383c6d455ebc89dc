/// Says what is wrong with a connection string, by the message of libpq, which quotes the string.
///
/// Only names of options are repeated, and only where they can't be a part of a secret: a password with special characters in it is
/// parsed as something else.
struct ConnectionStringFault {
    let string: String
    /// The names of libpq's options.
    let keywords: Set<String>

    private var isURL: Bool { string.hasPrefix("postgres://") || string.hasPrefix("postgresql://") }

    /// - Parameter message: libpq's. If it is none that is known, it is returned without its quotations.
    func text(of message: String) -> String {
        func quoted(after start: String) -> String? {
            guard message.hasPrefix(start), case let rest = message.dropFirst(start.count), let first = rest.firstIndex(of: "\""),
                let last = rest.lastIndex(of: "\""), first < last
            else { return nil }
            return String(rest[rest.index(after: first)..<last])
        }
        // Strings of keywords and values begin with a keyword and an =. A scheme may have two parts (jdbc:postgresql://).
        if !isURL, string.prefixMatch(of: #/\s*[A-Za-z][A-Za-z0-9+.:\-]*:\//#) != nil {
            return "it looks like a URL, and does not begin with postgres:// or postgresql://"
        }
        if let word = quoted(after: "missing \"=\" after ") { return missingValue(of: word) }
        for start in ["invalid connection option ", "invalid URI query parameter: "] {
            if let name = quoted(after: start) { return unknownOption(name) }
        }
        if quoted(after: "missing key/value separator \"=\" in URI query parameter: ") != nil {
            return "a parameter behind the ? of the URL has no = and no value"
        }
        if let name = quoted(after: "extra key/value separator \"=\" in URI query parameter: ") {
            return "the value of \(option(name)) has another = in it; write it as %3D"
        }
        if let text = quoted(after: "invalid percent-encoded token: ") {
            return "\(part(with: text)) has a % that is not followed by two hexadecimal digits; write the % itself as %25"
        }
        if let text = quoted(after: "forbidden value %00 in percent-encoded value: ") { return "\(part(with: text)) has %00 in it" }
        if message.hasPrefix("unexpected character "), message.contains(" in URI ") {
            return "the host's address in brackets is followed by something else than : or /"
        }
        if message.hasPrefix("end of string reached when looking for matching \"]\"") {
            return "the host's address begins with a bracket that is not closed"
        }
        if message.hasPrefix("IPv6 host address may not be empty") { return "the brackets for the host's address have no address in them" }
        return ConnectionParameters.redact(message)
    }

    /// A word of a string of keywords and values has no `=` after it.
    private func missingValue(of word: String) -> String {
        guard let place = string.ranges(of: word).last,
            let known = string[..<place.lowerBound].matches(of: #/(\w+)\s*=/#).last(where: { keywords.contains(String($0.output.1)) })
        else {
            return "it is no URL (postgres://…), and does not begin with a keyword, an = and a value"
        }
        return "what follows the value of \"\(known.output.1)\" has no =; put a value that has spaces in it into single quotes"
    }

    private func unknownOption(_ name: String) -> String {
        if mayBeShown(name) { return "there is no option with the name \"\(name)\"" }
        let advice =
            isURL
            ? "a password needs its / ? @ and & percent-encoded"
            : "put a value that has spaces in it into single quotes"
        return "an option has a name that is not known, and is not shown because it may be a part of a password; \(advice)"
    }

    private func option(_ name: String) -> String { keywords.contains(name) ? "\"\(name)\"" : "an option" }

    /// Whether a name can't be a part of a secret: it occurs once, behind the password of a URL, and no secret is given before it.
    private func mayBeShown(_ name: String) -> Bool {
        let places = string.ranges(of: name)
        guard places.count == 1, let place = places.first, name.wholeMatch(of: #/[A-Za-z][A-Za-z0-9_\-]{0,40}/#) != nil else {
            return false
        }
        let (before, after) = (string[..<place.lowerBound], string[place.upperBound...])
        let hasSecret = ["password", "secret", "scram_"].contains { before.lowercased().contains($0) }
        guard !hasSecret, !after.contains("@") else { return false }
        // Without a user, what follows a colon is a port; anything else may be a password whose @ is missing.
        return !isURL || before.contains("@") || before.firstMatch(of: #/\/\/[^\/]*:[0-9,]*[^0-9,\/?]/#) == nil
    }

    /// Names the part of a URL that has a text in it.
    private func part(with text: String) -> String {
        guard !text.isEmpty, let start = string.firstRange(of: "://")?.upperBound, let place = string[start...].firstRange(of: text) else {
            return "a part of the URL"
        }
        let rest = string[start...]
        let end = rest.firstIndex { $0 == "@" || $0 == "/" } ?? rest.endIndex
        if end < rest.endIndex, rest[end] == "@", place.lowerBound < end {
            return rest[..<place.lowerBound].contains(":") ? "the password" : "the user's name"
        }
        if rest[..<place.lowerBound].contains("?") { return "a parameter behind the ? of the URL" }
        return place.lowerBound > (rest.lastIndex(of: "/") ?? rest.endIndex) ? "the database's name" : "the host"
    }
}
