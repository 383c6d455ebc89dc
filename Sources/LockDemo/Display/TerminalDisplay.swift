import ChildProcesses
import Foundation
import LibPQ

/// Lines that are drawn over again while a run goes on.
final class TerminalDisplay: DemoDisplay {
    private struct State {
        /// How many lines of a running block stand above the cursor.
        var drawn = 0
        /// What has happened during the run; stays below its block.
        var notes: [String] = []
        var isRunning = false
    }

    private let hasColor: Bool
    private let width: Int
    private let state = Locked(State())

    /// `nil` if standard output is no terminal that can do it.
    init?(plain: Bool, workers: Int) {
        let environment = ProcessInfo.processInfo.environment
        guard !plain, isatty(STDOUT_FILENO) == 1, let terminal = environment["TERM"], terminal != "dumb" else { return nil }
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 64, Int(size.ws_row) >= workers + 6 else {
            return nil
        }
        width = min(Int(size.ws_col), 100)
        hasColor = environment["NO_COLOR"]?.isEmpty ?? true
    }

    func say(_ text: String) {
        write("\n\(text)\n\n")
    }

    func note(_ text: String) {
        let isRunning = state.withLock { state in
            if state.isRunning { state.notes.append(text) }
            return state.isRunning
        }
        // During a run, the next drawing shows it.
        if !isRunning { write("  \(text)\n") }
    }

    func update(_ board: Scoreboard, isLast: Bool) {
        let block = ProgressBlock(board: board, width: width, hasColor: hasColor)
        state.withLock { state in
            let lines = block.lines + state.notes.map { "  \($0)" } + (isLast ? [""] : [])
            // Up to the block's first line; each line clears what it does not cover. The cursor is left visible, so that
            // no end of ours can leave it hidden.
            let up = state.drawn > 0 ? "\u{1B}[\(state.drawn)A" : ""
            write(up + lines.map { "\r\($0)\u{1B}[K\n" }.joined())
            state.drawn = isLast ? 0 : lines.count
            state.isRunning = !isLast
            if isLast { state.notes = [] }
        }
    }

    private func write(_ text: String) {
        _ = Descriptor.write(text, to: STDOUT_FILENO)
    }
}
