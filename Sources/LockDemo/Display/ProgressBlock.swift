/// The lines that show the state of a run.
struct ProgressBlock {
    let board: Scoreboard
    let width: Int
    let hasColor: Bool

    private enum Color: Int {
        case bold = 1
        case dim = 2
        case red = 31
        case green = 32
        case yellow = 33
    }

    var lines: [String] {
        [title] + board.workers.indices.map(line) + [totals]
    }

    private var title: String {
        let name = Text.left(board.isLocked ? "With the lock" : "Without the lock", 18)
        let share = "\(Int(board.progress * 100)) %"
        return "  " + paint(name, .bold) + paint("\(Text.right(Text.seconds(board.secondsElapsed), 7))   \(share)", .dim)
    }

    private func line(_ index: Int) -> String {
        let worker = board.workers[index]
        // The longest bar shows the progress of the run. The other bars are proportional to it by their counts.
        let most = max(1, board.workers.map(\.additions).max() ?? 1)
        let bar = Text.bar(board.progress * Double(worker.additions) / Double(most), width: width - 44)
        let (state, color) = describe(worker.phase)
        let count = Text.right(Text.number(worker.additions), 7)
        return "  \(Text.left("process \(index + 1)", 11))" + paint(bar, color == .red ? .red : .green) + "\(count)  " + paint(state, color)
    }

    private func describe(_ phase: Scoreboard.Phase) -> (String, Color) {
        switch phase {
        case .starting: ("starts", .dim)
        case .ready: ("ready", .dim)
        case .waiting: (board.isLocked ? "waits" : "works", board.isLocked ? .dim : .yellow)
        case .working: (board.isLocked ? "has the lock" : "works", .yellow)
        case .killed: ("killed (SIGKILL)", .red)
        case .finished: ("done", .dim)
        }
    }

    private var totals: String {
        let totals = board.totals
        let lost = "lost \(Text.number(totals.lost))"
        return "  added \(Text.number(totals.committed)), counter \(Text.number(totals.counter)), "
            + paint(lost, totals.lost > 0 ? .red : .green)
    }

    private func paint(_ text: String, _ color: Color) -> String {
        hasColor ? "\u{1B}[\(color.rawValue)m\(text)\u{1B}[0m" : text
    }
}
