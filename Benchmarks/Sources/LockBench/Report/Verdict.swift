/// Whether a goal was reached.
struct Verdict: Codable, Sendable {
    let workload: String
    let text: String
    /// The measured value in the goal's unit; `nil` if a contender that it needs was not measured.
    let value: Double?
    /// The spread of the rounds.
    var least: Double?
    var most: Double?
    let goal: Double
    let isMinimum: Bool
    let unit: String
    /// Whether it depends on rows without an undisturbed round.
    var isDisturbed = false

    var isReached: Bool? {
        value.map { isMinimum ? $0 >= goal : $0 <= goal }
    }

    /// The factor by which the value would have to be better.
    private var shortfall: Double? {
        guard let value, isReached == false else { return nil }
        return isMinimum ? goal / value : goal > 0 ? value / goal : nil
    }

    var outcome: String {
        (isDisturbed ? "* " : "") + plainOutcome
    }

    private var plainOutcome: String {
        switch isReached {
        case true?: return "reached"
        case false?: return shortfall.map { "falls short by ×\(Numbers.text($0))" } ?? "not reached"
        case nil: return "not measured"
        }
    }

    func amount(_ value: Double) -> String {
        unit == "×" ? "×\(Numbers.text(value))" : "\(Numbers.text(value))\(unit.isEmpty ? "" : " \(unit)")"
    }

    var comparison: String {
        let spread = least.flatMap { least in most.map { "(\(Numbers.text(least)) – \(Numbers.text($0))) " } } ?? ""
        return "\(value.map(amount) ?? "—") \(spread)(goal: \(isMinimum ? "≥" : "≤") \(amount(goal)))"
    }
}
