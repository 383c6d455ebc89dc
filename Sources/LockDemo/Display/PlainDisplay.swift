import LibPQ

/// Prints plain lines: one per second, and one for each event.
final class PlainDisplay: DemoDisplay {
    private let nextLine = Locked(1.0)

    func note(_ text: String) {
        write("  \(text)\n")
    }

    func update(_ board: Scoreboard, isLast: Bool) {
        let seconds = board.secondsElapsed
        let isDue = nextLine.withLock { next in
            if isLast {
                next = 1
                return true
            }
            guard seconds >= next else { return false }
            next = seconds.rounded(.down) + 1
            return true
        }
        guard isDue else { return }
        let title = board.isLocked ? "with the lock   " : "without the lock"
        let totals = board.totals
        write(
            """
              \(title) \(Text.right(Text.seconds(seconds), 7))   added \(Text.right(Text.number(totals.committed), 7))   \
            counter \(Text.right(Text.number(totals.counter), 7))   lost \(Text.right(Text.number(totals.lost), 7))\
            \(isLast ? "   (end)" : "")

            """
        )
    }
}
