import Testing

@testable import lock_bench

@Suite
struct ReportTests {
    private func row(_ samples: (value: Double, isDisturbed: Bool)...) -> Row {
        var row = Row(contender: "library", title: "library", metric: .pairs, isOurs: true)
        row.samples = samples.enumerated().map { round, sample in
            Sample(round: round + 1, value: sample.value, foreignCores: 0, load: 0, isDisturbed: sample.isDisturbed)
        }
        return row
    }

    @Test("disturbed rounds count neither in the median nor in the spread")
    func discards() {
        let row = row((100, false), (1, true), (300, false), (200, false))
        #expect(row.estimate == Estimate(value: 200, range: 100...300))
        #expect(row.countedRounds == 3)
        #expect(!row.isFlagged)
    }

    @Test("a ratio is that of the medians, and its spread is that of the ratios within undisturbed rounds")
    func ratios() {
        let ours = row((100, false), (300, false), (1000, true), (200, false))
        let theirs = row((100, false), (100, false), (1, false), (400, false))
        // The medians are 200 and 100, and the rounds' ratios 1, 3 and 0.5.
        #expect(ours.ratio(to: theirs) == Estimate(value: 2, range: 0.5...3))
        #expect(ours.ratio(to: row()) == nil)
        #expect(row().ratio(to: ours) == nil)
        #expect(ours.ratio(to: row((0, false))) == nil)
    }

    @Test("a row whose rounds are all disturbed keeps them, and is marked")
    func keepsWhatThereIs() {
        let row = row((3, true), (1, true))
        #expect(row.median == 2)
        #expect(row.isFlagged)
    }

    @Test("a row without samples has no median, and a goal without a value is not measured")
    func nothingMeasured() {
        #expect(row().median == nil)
        let verdict = Verdict(workload: "single", text: "", value: nil, goal: 1, isMinimum: true, unit: "×")
        #expect(verdict.isReached == nil)
        #expect(verdict.outcome == "not measured")
    }

    @Test("a verdict says by which factor a goal is missed, in either direction")
    func verdicts() {
        func outcome(_ value: Double, goal: Double, isMinimum: Bool) -> String {
            Verdict(workload: "", text: "", value: value, goal: goal, isMinimum: isMinimum, unit: "").outcome
        }
        #expect(outcome(5, goal: 5, isMinimum: true) == "reached")
        #expect(outcome(2.5, goal: 5, isMinimum: true) == "falls short by ×2")
        #expect(outcome(4, goal: 2, isMinimum: false) == "falls short by ×2")
        #expect(outcome(1, goal: 0, isMinimum: false) == "not reached")
    }

    @Test("a verdict that depends on disturbed rows is marked like them")
    func disturbedVerdicts() {
        var verdict = Verdict(workload: "", text: "", value: 1, goal: 1, isMinimum: true, unit: "×")
        verdict.isDisturbed = true
        #expect(verdict.outcome == "* reached")
    }

    @Test("numbers show no more digits than were measured")
    func numbers() {
        #expect(Numbers.text(0) == "0")
        #expect(Numbers.text(0.4567) == "0.457")
        #expect(Numbers.text(45.67) == "45.7")
        #expect(Numbers.text(123_456) == "123,500")
        #expect(Numbers.text(1_234_567) == "1,235,000")
    }

    @Test("an axis is logarithmic only if the values differ by more than a factor of 20, and contains every value")
    func scales() {
        let near = Scale([10, 100])
        #expect(!near.isLogarithmic)
        #expect(near.position(0) == 0)
        let far = Scale([10, 100_000])
        #expect(far.isLogarithmic)
        #expect(far.position(10) > 0)
        #expect(far.position(100_000) <= 1)
        #expect(far.ticks == [1, 10, 100, 1000, 10_000, 100_000])
    }

    @Test("cores are chosen so that as few as possible share a physical core")
    func choosesCores() {
        let pairs = { (number: Int) in "\(number / 2)" }
        #expect(Cores.choose(2, of: [0, 1, 2, 3], siblings: pairs) == [0, 2])
        #expect(Cores.choose(3, of: [0, 1, 2, 3], siblings: pairs) == [0, 1, 2])
        #expect(Cores.choose(2, of: [4, 5], siblings: pairs) == [4, 5])
        #expect(Cores.numbers("\t0-2,5") == [0, 1, 2, 5])
    }

    @Test("a chart's path in a document is relative to the document's folder")
    func chartPaths() {
        #expect(ReportDocument.relative("Docs/Charts", to: "Docs/Performance.md") == "Charts")
        #expect(ReportDocument.relative("Charts", to: "Performance.md") == "Charts")
        #expect(ReportDocument.relative("/tmp/charts", to: "Docs/Performance.md") == "/tmp/charts")
    }

    @Test("only the text between the markers of a document is replaced")
    func documents() {
        let start = "<!-- results of make bench: written by it, not by hand -->"
        let end = "<!-- end of the results -->"
        let document = "before\n\(start)\nold\n\(end)\nafter"
        #expect(ReportDocument.replacing(in: document, by: "new") == "before\n\(start)\n\nnew\n\n\(end)\nafter")
        #expect(ReportDocument.replacing(in: "no marks", by: "new") == nil)
        #expect(ReportDocument.replacing(in: "\(end) \(start)", by: "new") == nil)
    }
}
