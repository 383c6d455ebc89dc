import Foundation

/// The end of pglock's command line, byte for byte.
///
/// Swift strings replace bytes that are not UTF-8. The command must get its arguments unchanged.
enum CommandLineTail {
    /// The null-terminated bytes of arguments that were parsed as the last ones.
    static func bytes(of strings: [String]) -> [[CChar]] {
        let total = Int(CommandLine.argc)
        return strings.indices.map { index in
            let position = total - strings.count + index
            guard position > 0, let argument = CommandLine.unsafeArgv[position] else { return Array(strings[index].utf8CString) }
            return Array(UnsafeBufferPointer(start: argument, count: strlen(argument) + 1))
        }
    }
}
