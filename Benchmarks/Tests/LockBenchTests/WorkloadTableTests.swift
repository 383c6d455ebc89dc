import Testing

@testable import lock_bench

@Suite
struct WorkloadTableTests {
    private let workload = Workload(
        name: "w",
        title: "a workload",
        note: "a note",
        reference: "theirs",
        contenders: [
            Contender("ours", "this library") { _ in [:] },
            Contender("theirs", "another one", metrics: [.pairs, .client]) { _ in [:] },
            Contender("broken", "a third one") { _ in [:] },
        ]
    )

    private func add(_ values: [String: Double], round: Int, _ contender: String, to result: inout WorkloadResult) {
        for (metric, value) in values {
            let sample = Sample(round: round, value: value, foreignCores: 0, load: 0, isDisturbed: false)
            result.add(sample, contender: contender, metric: metric)
        }
    }

    @Test("a table has a line for each contender, with its values, their spread, and the ratio to the reference")
    func table() {
        var result = WorkloadResult(workload)
        for (round, rate) in [(1, 100.0), (2, 300.0), (3, 200.0)] {
            add(["rate": rate, "client": 30, "server": 40], round: round, "ours", to: &result)
            add(["rate": 400, "client": 20], round: round, "theirs", to: &result)
        }
        result.failures["broken"] = "it is broken"
        #expect(
            WorkloadTable(workload: result).text == """
                                pairs/s               ratio                 client, µs                 server, µs
                  this library      200  (100 – 300)   ×0.5  (0.25 – 0.75)        30.0  (30.0 – 30.0)        40.0  (40.0 – 40.0)
                  another one       400  (400 – 400)     ×1        (1 – 1)        20.0  (20.0 – 20.0)
                  a third one   failed: it is broken
                """
        )
    }

    @Test("a table without its reference has no column of ratios")
    func noReference() {
        var result = WorkloadResult(workload)
        add(["rate": 100, "client": 30, "server": 40], round: 1, "ours", to: &result)
        let text = WorkloadTable(workload: result).text
        #expect(!text.contains("ratio"))
        #expect(text.contains("this library"))
    }
}
