import Foundation
import LockSimulation

/// Reports the progress: on a terminal in one line that is overwritten, elsewhere in a line at intervals.
struct SimulationProgress {
    private let runs: Int
    private let isTerminal = isatty(STDOUT_FILENO) == 1
    private let began = ContinuousClock.now
    private var said = ContinuousClock.now
    private var done = 0
    private var tally = SimulationTally()
    private(set) var failures = 0

    init(runs: Int) {
        self.runs = runs
    }

    mutating func note(_ report: SimulationReport) {
        done += 1
        tally += report.tally
        if !report.violations.isEmpty {
            failures += 1
            say("seed \(report.seed) failed; to repeat it: make simulate SEED=\(report.seed)\n\(report.description)")
        }
        guard ContinuousClock.now - said >= (isTerminal ? .milliseconds(200) : .seconds(10)) else { return }
        said = .now
        let line = "\(done)/\(runs) runs, \(steps), \(time(remaining)) to go"
        if isTerminal { write("\r\u{1B}[K\(line)") } else { say(line) }
    }

    func end() {
        say("\(done) runs in \(time(elapsed)), \(steps), \(failures) failed")
        say("\(tally)")
    }

    private var elapsed: Double { (ContinuousClock.now - began) / .seconds(1) }
    private var remaining: Double { elapsed / Double(done) * Double(runs - done) }

    private var steps: String {
        let count = Double(tally[.steps])
        return String(format: "%.2f million steps, %.0f thousand/s", count / 1e6, count / 1e3 / elapsed)
    }

    private func time(_ seconds: Double) -> String {
        let seconds = Int(seconds.rounded())
        return String(format: "%d:%02d", seconds / 60, seconds % 60)
    }

    private func say(_ line: String) {
        write(isTerminal ? "\r\u{1B}[K\(line)\n" : "\(line)\n")
    }

    private func write(_ text: String) {
        FileHandle.standardOutput.write(Data(text.utf8))
    }
}
