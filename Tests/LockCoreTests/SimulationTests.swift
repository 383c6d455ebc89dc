import LockSimulation
import Testing

/// A few hundred runs. `make simulate SEEDS=10000` makes more, and repeats one.
@Suite("In simulated time, in good weather and bad")
struct SimulationTests {
    @Test("the engines keep their promises, whatever the seed")
    func promises() async {
        let seeds = 1...200 as ClosedRange<UInt64>
        var tally = SimulationTally()
        for seed in seeds {
            let report = Simulation(seed: seed).run()
            // Other tests wait for processes, and need the thread now and then.
            await Task.yield()
            tally += report.tally
            guard report.violations.isEmpty else {
                Issue.record("make simulate SEED=\(seed)\n\(report.description)")
                return
            }
        }
        print("simulated \(seeds.count) runs: \(tally)")
        // What is rare must have happened, or nothing was proved by its absence.
        for count in SimulationTally.Count.allCases {
            #expect(tally[count] > 0, "\(count) never happened")
        }
    }

    @Test("a run repeats to the last event", arguments: 1...5 as ClosedRange<UInt64>)
    func repeats(seed: UInt64) {
        #expect(Simulation(seed: seed).run() == Simulation(seed: seed).run())
    }
}
