import Foundation

/// The end of our own command line, byte for byte.
///
/// Swift repairs what is not UTF-8 in its strings; a command must get its arguments as they were typed.
enum CommandLineTail {
    /// The bytes of what has been parsed as the last arguments, null-terminated.
    static func bytes(of strings: [String]) -> [[CChar]] {
        let total = Int(CommandLine.argc)
        return strings.indices.map { index in
            let position = total - strings.count + index
            guard position > 0, let argument = CommandLine.unsafeArgv[position] else { return Array(strings[index].utf8CString) }
            return Array(UnsafeBufferPointer(start: argument, count: strlen(argument) + 1))
        }
    }
}
