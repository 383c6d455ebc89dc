import Foundation
import LibPQ

/// Shows a run by lines that are redrawn in place.
final class TerminalDisplay: DemoDisplay {
    private struct State {
        /// The number of lines above the cursor that the next update overwrites.
        var drawn = 0
        /// The events of the run, which are shown below its lines.
        var notes: [String] = []
        var isRunning = false
    }

    private let hasColor: Bool
    private let width: Int
    private let state = Locked(State())

    /// Returns `nil` if standard output is not a terminal that supports redrawing, or is too small.
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

    func note(_ text: String) {
        let isRunning = state.withLock { state in
            if state.isRunning { state.notes.append(text) }
            return state.isRunning
        }
        // During a run, the next update shows the note.
        if !isRunning { write("  \(text)\n") }
    }

    func update(_ board: Scoreboard, isLast: Bool) {
        let block = ProgressBlock(board: board, width: width, hasColor: hasColor)
        state.withLock { state in
            let lines = block.lines + state.notes.map { "  \($0)" } + (isLast ? [""] : [])
            // Moves the cursor up to the first line. Each line clears the rest of its row. The cursor stays visible, so that it is not
            // hidden after the process has been killed.
            let up = state.drawn > 0 ? "\u{1B}[\(state.drawn)A" : ""
            write(up + lines.map { "\r\($0)\u{1B}[K\n" }.joined())
            state.drawn = isLast ? 0 : lines.count
            state.isRunning = !isLast
            if isLast { state.notes = [] }
        }
    }
}
