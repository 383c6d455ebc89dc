import Foundation
import Synchronization

/// Shows on standard error which step runs. On a terminal it is one line that changes.
final class Progress: Sendable {
    private let steps: Int
    private let rounds: Int
    private let started = ContinuousClock.now
    private let done = Atomic(0)

    init(steps: Int, rounds: Int) {
        self.steps = steps
        self.rounds = rounds
    }

    func begin(round: Int, _ title: String) {
        let number = done.wrappingAdd(1, ordering: .relaxed).newValue
        let elapsed = (ContinuousClock.now - started) / .seconds(1)
        let left = number > 1 ? elapsed / Double(number - 1) * Double(steps - number + 1) : nil
        let remaining = left.map { ", about \(Int($0.rounded())) s left" } ?? ""
        show("[\(number)/\(steps)] round \(round + 1)/\(rounds)\(remaining) — \(title)")
    }

    func skip() {
        done.wrappingAdd(1, ordering: .relaxed)
    }

    func note(_ text: String) {
        StandardError.print(StandardError.isTerminal ? " — \(text)" : "    \(text)")
    }

    func end() {
        if StandardError.isTerminal { StandardError.print("\r\u{1B}[K", terminator: "") }
    }

    private func show(_ line: String) {
        if StandardError.isTerminal {
            StandardError.print("\r\u{1B}[K\(line)", terminator: "")
        } else {
            StandardError.print(line)
        }
    }
}
