/// The result of both runs as text.
struct DemoVerdict {
    let locked: DemoResult
    let unlocked: DemoResult

    var text: String {
        [lockedLine, killLine, unlockedLine].joined(separator: "\n")
    }

    private var lockedLine: String {
        let count = Text.number(locked.committed)
        return locked.lost == 0
            ? "With the lock, all \(count) additions are in the counter: no update was lost."
            : "With the lock, \(Text.number(locked.lost)) of \(count) additions were lost. THIS MUST NOT HAPPEN: please report it."
    }

    private var killLine: String {
        guard let kill = locked.kill else { return "No process was killed, because all had finished before." }
        guard let next = kill.next else { return "Process \(kill.worker + 1) was killed while it held the lock." }
        return """
            Process \(kill.worker + 1) was killed while it held the lock; PostgreSQL granted the lock to process \
            \(next.worker + 1) within \(Text.milliseconds(next.after)).
            """
    }

    private var unlockedLine: String {
        unlocked.lost == 0
            ? "Without the lock, by chance no update was lost either. Run it with more workers, or for a longer time."
            : "Without the lock, \(Text.number(unlocked.lost)) of \(Text.number(unlocked.committed)) additions were lost."
    }
}
