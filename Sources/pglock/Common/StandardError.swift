import ChildProcesses
import Foundation

/// Where messages go, so that standard output is the command's alone.
enum StandardError {
    /// Prints one line, whatever the message holds, that says who speaks.
    static func print(_ message: String) {
        // libpq's messages have several lines, indented by tabs.
        let line = message.split { $0.isNewline || $0 == "\t" || $0 == " " }.joined(separator: " ")
        // If nobody reads it, there is nobody to tell.
        _ = Descriptor.write("pglock: \(Redaction.redact(line))\n", to: STDERR_FILENO)
    }
}
