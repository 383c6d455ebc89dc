import LockSimulation
import Testing

/// 200 runs. `make simulate SEEDS=10000` makes more, and `make simulate SEED=…` repeats one.
@Suite("The simulation")
struct SimulationTests {
    @Test("the engines keep their promises in simulated time, with and without faults")
    func promises() async {
        let seeds = 1...200 as ClosedRange<UInt64>
        var tally = SimulationTally()
        for seed in seeds {
            let report = Simulation(seed: seed).run()
            // Other tests wait for processes, and need the thread from time to time.
            await Task.yield()
            tally += report.tally
            guard report.violations.isEmpty else {
                Issue.record("make simulate SEED=\(seed)\n\(report.description)")
                return
            }
        }
        print("simulated \(seeds.count) runs: \(tally)")
        // Rare events must have occurred, or the runs have not tested them.
        for count in SimulationTally.Count.allCases {
            #expect(tally[count] > 0, "\(count) never happened")
        }
    }

    @Test("a run repeats to the last event", arguments: 1...5 as ClosedRange<UInt64>)
    func repeats(seed: UInt64) {
        #expect(Simulation(seed: seed).run() == Simulation(seed: seed).run())
    }
}
