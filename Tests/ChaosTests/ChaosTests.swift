import Chaos
import ChildProcesses
import FaultTools
import Foundation
import Testing

@Suite("The chaos run")
struct ChaosTests {
    @Test("every seed plans more than 200 faults in ten minutes, of every kind and for every worker", arguments: UInt64(1)...20)
    func faults(seed: UInt64) {
        var time = Duration.zero
        let faults = FaultPlan(seed: seed, workers: 3).prefix { fault in
            time += fault.pause
            return time < .seconds(600)
        }
        #expect(faults.count > 200)
        #expect(Set(faults.prefix(30).map(\.kind)) == Set(Fault.Kind.allCases))
        #expect(Set(faults.map(\.worker)) == [0, 1, 2])
    }

    @Test("the same seed plans the same faults, another seed plans others")
    func seeds() {
        let faults = { (seed: UInt64) in Array(FaultPlan(seed: seed, workers: 3).prefix(100)) }
        #expect(faults(1) == faults(1))
        #expect(faults(1) != faults(2))
    }

    @Test("several processes under faults for nine seconds violate no guarantee of the locks")
    func run() async throws {
        let runner = try ChildProcess.helper("ChaosRunner", ["0.15", "1"])
        var lines: [String] = []
        for await line in runner.lines { lines.append(line) }
        let output = lines.joined(separator: "\n")
        #expect(await runner.status() == 0, "\(output)")
    }

    @Test("reading a worker's log returns its complete lines and leaves an unfinished last line unread")
    func notes() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "chaos-\(UInt64.random(in: .min ... .max)).log")
        defer { try? FileManager.default.removeItem(at: file) }
        let log = try ChaosLog(path: file.path())
        let token = try HistoryScript.token(5)
        let kinds: [ChaosEvent.Kind] = [
            .started(leaseNanoseconds: 1), .held(claim: 1, call: 2, key: 3, isExclusive: true, token: token), .finished,
        ]
        for kind in kinds { log.note(kind, at: 17) }
        let data = try Data(contentsOf: file)
        let (events, size) = try ChaosLog.events(in: data + Data("{\"ti".utf8))
        #expect(events == kinds.map { ChaosEvent(time: 17, $0) })
        #expect(size == data.count)
        #expect(try ChaosLog.events(in: data.prefix(10)).size == 0)
    }
}
