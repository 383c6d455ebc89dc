/// A table of the results of both runs.
struct ResultTable {
    let locked: DemoResult
    let unlocked: DemoResult

    var text: String {
        let rows = [
            ("", "with the lock", "without"),
            ("additions committed (expected)", number(\.totals.committed), number(\.totals.committed, of: unlocked)),
            ("counter (actual)", number(\.totals.counter), number(\.totals.counter, of: unlocked)),
            ("lost updates", number(\.totals.lost), number(\.totals.lost, of: unlocked)),
            ("wait for the lock, median (p50)", percentile(50), "-"),
            ("wait for the lock, p99", percentile(99), "-"),
            ("next holder after the SIGKILL", locked.kill?.next.map { Text.milliseconds($0.after) } ?? "-", "-"),
        ]
        return rows.map { "  \(Text.left($0.0, 34))\(Text.right($0.1, 14))\(Text.right($0.2, 12))" }.joined(separator: "\n")
    }

    private func number(_ value: KeyPath<DemoResult, Int>, of result: DemoResult? = nil) -> String {
        Text.number((result ?? locked)[keyPath: value])
    }

    private func percentile(_ percent: Int) -> String {
        Percentile.of(locked.waits, percent).map(Text.milliseconds) ?? "-"
    }
}
