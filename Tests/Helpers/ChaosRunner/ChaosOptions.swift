import Chaos

/// The command line of `ChaosRunner`.
struct ChaosOptions {
    static let usage = """
        usage: ChaosRunner MINUTES [SEED] [--break PROMISE]
        PROMISE: \(ChaosBreak.allCases.map(\.rawValue).joined(separator: ", "))
        """

    let minutes: Double
    let seed: UInt64
    let breaking: ChaosBreak?

    /// - Returns: `nil` if they can't be read.
    init?(_ arguments: some Sequence<String>) {
        var operands = Array(arguments)
        if let option = operands.firstIndex(of: "--break") {
            guard option + 1 < operands.count, let promise = ChaosBreak(rawValue: operands[option + 1]) else { return nil }
            breaking = promise
            operands.removeSubrange(option...option + 1)
        } else {
            breaking = nil
        }
        guard (1...2).contains(operands.count), let minutes = Double(operands[0]), minutes > 0, minutes <= 10_000,
            let seed = operands.count == 2 ? UInt64(operands[1]) : UInt64.random(in: 1...999_999)
        else { return nil }
        self.minutes = minutes
        self.seed = seed
    }
}
