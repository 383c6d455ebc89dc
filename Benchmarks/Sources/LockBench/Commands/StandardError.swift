import Foundation

/// Standard error as a stream for `print`.
struct StandardError: TextOutputStream {
    static let isTerminal = isatty(STDERR_FILENO) == 1

    mutating func write(_ string: String) {
        FileHandle.standardError.write(Data(string.utf8))
    }

    static func print(_ text: String, terminator: String = "\n") {
        var stream = StandardError()
        Swift.print(text, terminator: terminator, to: &stream)
    }
}
