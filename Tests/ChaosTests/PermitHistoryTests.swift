import Chaos
import Testing

@Suite("The history of permits")
struct PermitHistoryTests {
    /// A history of lines `PROCESS EVENT TASK [PERMIT] MILLISECONDS`.
    private func read(_ lines: [String]) -> PermitHistory {
        let known = lines.compactMap { line in
            let words = line.split(separator: " ")
            return PermitHistory.Line(words.dropFirst().joined(separator: " ") + "000000", of: Int(words[0]) ?? 0)
        }
        #expect(known.count == lines.count)
        return PermitHistory(known, limit: 2)
    }

    @Test("the use of permits is counted while tasks wait, from the first permit on")
    func use() {
        let history = read([
            "1 waits a 0", "1 waits b 1", "1 waits c 2", "1 has a 1 100", "1 has b 2 200", "1 ends a 1 300", "1 has c 1 400",
            "1 ends c 1 900", "1 ends b 2 950",
        ])
        // One of two for 100 ms, two for 100 ms, one for 100 ms; then no task waits.
        #expect(history.percentInUse.map { Int($0.rounded()) } == 67)
        #expect(history.count == 3 && history.most == 2 && history.doubled.isEmpty)
        #expect(history.inProcess.count == 0 && history.betweenProcesses.count == 0)
        #expect(read([]).percentInUse == nil)
    }

    @Test("a permit that two tasks have at a time is told, and how many were in use")
    func doubled() {
        let history = read(["1 waits a 0", "1 has a 1 10", "2 waits a 20", "2 has a 1 30", "2 ends a 1 40"])
        #expect(history.doubled == [1])
        #expect(history.most == 2)
    }

    @Test("a permit that is given to a task before one that has waited longer is told, by process, and if that one has waited for a second")
    func inversions() {
        let history = read([
            "1 waits a 0", "1 waits b 10", "2 waits c 20", "1 has b 1 30", "2 has c 2 40", "1 has a 3 50", "2 waits d 60", "1 waits e 1000",
            "1 has e 1 2000", "2 has d 2 2100",
        ])
        #expect(history.inProcess.count == 1, "b before a")
        #expect(history.betweenProcesses.count == 2, "c before a, e before d")
        #expect(history.late.count == 1, "e before d")
    }

    @Test("a line of a worker that says anything else is none", arguments: ["", "waits 1", "has 1 2", "ends 1 2 x", "hangs 1 2 3"])
    func lines(text: String) {
        #expect(PermitHistory.Line(text, of: 1) == nil)
    }
}
