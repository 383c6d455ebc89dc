/// Takes passwords out of texts that quote what the user has typed.
enum Redaction {
    /// The text, with the password of every URL and every `password=` in it masked.
    static func redact(_ text: String) -> String {
        // Greedy up to the last @ of the word: a password may hold one itself.
        text.replacing(#/(:\/\/[^\s:@\/]*):\S*@/#) { "\($0.output.1):********@" }
            .replacing(#/(?i)(\w*password\s*=\s*)('(?:[^'\\]|\\.)*'?|[^\s&'"]+)/#) { "\($0.output.1)********" }
    }
}
