/// Puts the arguments of `pglock run` into an order that the parser can't misunderstand.
///
/// Options may stand before and after KEY, and what follows COMMAND is the command's, whatever it looks like. A parser
/// that knows only "options" and "operands" would take `ls -n` for our `-n`, or a negative number for an option. So
/// `run KEY -n ls -l` becomes `run -n -- KEY ls -l`.
enum RunArguments {
    /// The options that are followed by a value.
    static let optionsWithValue: Set<String> = [
        "-w", "--wait", "-E", "--conflict-exit-code", "--url", "--connect-timeout", "--kill-after",
    ]

    static func normalize(_ arguments: [String]) -> [String] {
        guard arguments.first == "run" else { return arguments }
        var options: [String] = []
        var operands: [String] = []
        var rest = arguments.dropFirst()
        var isNumber = false
        while let argument = rest.first, operands.count < 2 {
            if argument == "--" {
                rest = rest.dropFirst()
                // Before KEY it ends our options for good; after KEY, what follows is the command in any case.
                if operands.isEmpty, let key = rest.popFirst() {
                    operands.append(key)
                    if rest.first == "--" { rest = rest.dropFirst() }
                }
                break
            }
            let isOperand = !argument.hasPrefix("-") || argument == "-" || (isNumber && isNegative(argument))
            if isOperand && !operands.isEmpty { break }
            rest = rest.dropFirst()
            if isOperand {
                operands.append(argument)
                continue
            }
            options.append(argument)
            if argument == "--number" { isNumber = true }
            if takesValue(argument), let value = rest.popFirst() { options.append(value) }
        }
        operands += rest
        return ["run"] + options + (operands.isEmpty ? [] : ["--"] + operands)
    }

    /// Short options may be joined: in `-xw 5` it is the last one that takes the value.
    private static func takesValue(_ argument: String) -> Bool {
        if optionsWithValue.contains(argument) { return true }
        guard !argument.hasPrefix("--"), let last = argument.last else { return false }
        return optionsWithValue.contains("-\(last)")
    }

    private static func isNegative(_ argument: String) -> Bool {
        argument.hasPrefix("-") && argument.dropFirst().first?.isNumber == true
    }
}
