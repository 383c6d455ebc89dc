import ChildProcesses
import Foundation

/// Prints pglock's messages. Standard output is for the command alone.
enum StandardError {
    /// Prints the message on one line, with the program's name.
    static func print(_ message: String) {
        // libpq's messages have several lines, indented by tabs.
        let line = message.split { $0.isNewline || $0 == "\t" || $0 == " " }.joined(separator: " ")
        // A closed standard error is ignored.
        _ = Descriptor.write("pglock: \(Redaction.redact(line))\n", to: STDERR_FILENO)
    }
}
