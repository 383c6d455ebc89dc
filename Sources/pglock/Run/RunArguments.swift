/// Reorders the arguments of `pglock run` and `pglock elect` for the parser.
///
/// Options may come before and after KEY, and everything behind COMMAND belongs to the command. A parser that distinguishes only options
/// and operands would take the `-n` of `ls -n`, or a negative number, for an option of pglock. So `run KEY -n ls -l` becomes
/// `run -n -- KEY ls -l`.
enum RunArguments {
    /// The options that are followed by a value.
    static let optionsWithValue: Set<String> = [
        "-w", "--wait", "-E", "--conflict-exit-code", "--url", "--connect-timeout", "--kill-after", "--once-per", "--repeat-after",
        "--table", "--slots", "--scheme",
    ]

    static func normalize(_ arguments: [String]) -> [String] {
        guard let verb = arguments.first, ["run", "elect"].contains(verb) else { return arguments }
        var options: [String] = []
        var operands: [String] = []
        var rest = arguments.dropFirst()
        var isNumber = false
        while let argument = rest.first, operands.count < 2 {
            if argument == "--" {
                rest = rest.dropFirst()
                // Before KEY it ends pglock's options. After KEY, the command follows anyway.
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
        return [verb] + options + (operands.isEmpty ? [] : ["--"] + operands)
    }

    /// Short options may be joined. The last one takes the value, as in `-xw 5`.
    private static func takesValue(_ argument: String) -> Bool {
        if optionsWithValue.contains(argument) { return true }
        guard !argument.hasPrefix("--"), let last = argument.last else { return false }
        return optionsWithValue.contains("-\(last)")
    }

    private static func isNegative(_ argument: String) -> Bool {
        argument.hasPrefix("-") && argument.dropFirst().first?.isNumber == true
    }
}
