import ArgumentParser
import Foundation

/// Checks that arguments and variables are UTF-8.
///
/// Swift strings replace other bytes by U+FFFD. So names that differ only in such bytes would become one name, and other libraries, which
/// don't replace them, would have other keys.
enum RawText {
    /// Refuses a text from the command line that was not UTF-8.
    static func require(_ text: String, _ what: String) throws {
        guard text.contains("\u{FFFD}") else { return }
        for index in 0..<Int(CommandLine.argc) {
            guard let argument = CommandLine.unsafeArgv[index], !isUTF8(argument) else { continue }
            // An option may be written as `--option=value`.
            if String(cString: argument).hasSuffix(text) { throw refusal(what) }
        }
    }

    /// Refuses an environment variable that is not UTF-8.
    static func requireVariable(_ name: String) throws {
        guard let value = getenv(name), !isUTF8(value) else { return }
        throw refusal("the variable \(name)")
    }

    private static func isUTF8(_ text: UnsafePointer<CChar>) -> Bool {
        String(validatingCString: text) != nil
    }

    private static func refusal(_ what: String) -> ValidationError {
        ValidationError(
            """
            \(what.prefix(1).uppercased() + what.dropFirst()) is not UTF-8. Different texts would be taken for the same one: write it in \
            UTF-8, or name the lock by its number (--number).
            """
        )
    }
}
