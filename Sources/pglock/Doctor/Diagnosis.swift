import Foundation

/// The findings of `pglock doctor`.
struct Diagnosis: Codable {
    /// Whether locks work there.
    let isFit: Bool
    let findings: [Finding]

    init(_ findings: [Finding]) {
        isFit = !findings.contains { $0.state == .failed }
        self.findings = findings
    }

    /// One line for each finding, and one for each advice.
    var text: String {
        let indentation = String(repeating: " ", count: 22)
        let lines = findings.flatMap { finding in
            let check = finding.check.rawValue.padding(toLength: 12, withPad: " ", startingAt: 0)
            let state = finding.state.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0)
            return ["\(state) \(check) \(finding.finding)"] + (finding.advice.map { ["\(indentation)\($0)"] } ?? [])
        }
        return (lines + ["", verdict]).joined(separator: "\n")
    }

    private var verdict: String {
        let warnings = findings.count { $0.state == .warning }
        guard isFit else { return "Locks don't work here." }
        return switch warnings {
        case 0: "All is fine."
        case 1: "Locks work here; there is one warning."
        default: "Locks work here; there are \(warnings) warnings."
        }
    }

    private enum CodingKeys: String, CodingKey {
        case isFit = "fit"
        case findings = "checks"
    }
}
