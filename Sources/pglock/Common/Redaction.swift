/// Removes passwords from texts that quote the user's input.
enum Redaction {
    /// The text, with the password of every URL and every `password=` in it masked.
    static func redact(_ text: String) -> String {
        // Greedy, up to the last @ of the word, since a password may contain one.
        text.replacing(#/(:\/\/[^\s:@\/]*):\S*@/#) { "\($0.output.1):********@" }
            .replacing(#/(?i)(\w*password\s*=\s*)('(?:[^'\\]|\\.)*'?|[^\s&'"]+)/#) { "\($0.output.1)********" }
    }
}
