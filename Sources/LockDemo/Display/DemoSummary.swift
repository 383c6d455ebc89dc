/// The results of both runs as text.
struct DemoSummary {
    let locked: DemoResult
    let unlocked: DemoResult

    var text: String {
        (table + ["", lockedLine, killLine, unlockedLine]).joined(separator: "\n")
    }

    private var table: [String] {
        let rows = [
            ("", "with the lock", "without"),
            ("additions committed (expected)", Text.number(locked.committed), Text.number(unlocked.committed)),
            ("counter (actual)", Text.number(locked.totals.counter), Text.number(unlocked.totals.counter)),
            ("lost updates", Text.number(locked.lost), Text.number(unlocked.lost)),
            ("wait for the lock, median (p50)", percentile(50), "-"),
            ("wait for the lock, p99", percentile(99), "-"),
            ("next holder after the SIGKILL", locked.kill?.next.map { Text.milliseconds($0.after) } ?? "-", "-"),
        ]
        return rows.map { "  \(Text.left($0.0, 34))\(Text.right($0.1, 14))\(Text.right($0.2, 12))" }
    }

    private func percentile(_ percent: Int) -> String {
        Percentile.of(locked.waits, percent).map(Text.milliseconds) ?? "-"
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
