import ChildProcesses
import Foundation

/// The output of the demonstration.
protocol DemoDisplay: Sendable {
    /// Prints one line about an event.
    func note(_ text: String)
    /// Shows the state of a run; called ten times a second.
    func update(_ board: Scoreboard, isLast: Bool)
}

extension DemoDisplay {
    /// Prints a paragraph.
    func say(_ text: String) {
        write("\n\(text)\n\n")
    }

    func write(_ text: String) {
        _ = Descriptor.write(text, to: STDOUT_FILENO)
    }
}
