import Foundation
import LockSimulation
import Testing

/// 200 runs. `make simulate SEEDS=10000` makes more, and `make simulate SEED=…` repeats one.
@Suite("The simulation")
struct SimulationTests {
    private struct Outcome: Sendable {
        var tally = SimulationTally()
        var failure: (seed: UInt64, report: SimulationReport)?

        init(_ seeds: some Sequence<UInt64>) {
            for seed in seeds where failure == nil {
                let report = Simulation(seed: seed).run()
                tally += report.tally
                if !report.violations.isEmpty { failure = (seed, report) }
            }
        }
    }

    @Test("the engines keep their promises in simulated time, with and without faults")
    func promises() async {
        let seeds = 1...200 as ClosedRange<UInt64>
        let processors = ProcessInfo.processInfo.activeProcessorCount
        var outcome = Outcome(EmptyCollection())
        await withTaskGroup(of: Outcome.self) { group in
            for first in 0..<processors {
                let share = stride(from: seeds.lowerBound + UInt64(first), through: seeds.upperBound, by: processors)
                group.addTask { await Self.inBackground { Outcome(share) } }
            }
            for await part in group {
                outcome.tally += part.tally
                outcome.failure = outcome.failure ?? part.failure
            }
        }
        if let (seed, report) = outcome.failure {
            Issue.record("make simulate SEED=\(seed)\n\(report.description)")
            return
        }
        print("simulated \(seeds.count) runs: \(outcome.tally)")
        // Rare events must have occurred, or the runs have not tested them.
        for count in SimulationTally.Count.allCases {
            #expect(outcome.tally[count] > 0, "\(count) never happened")
        }
    }

    @Test("a run repeats to the last event", arguments: 1...5 as ClosedRange<UInt64>)
    func repeats(seed: UInt64) {
        #expect(Simulation(seed: seed).run() == Simulation(seed: seed).run())
    }

    /// Runs on a thread of its own that lets others go first. Other tests have limits of time, and share few threads.
    private static func inBackground(_ run: @escaping @Sendable () -> Outcome) async -> Outcome {
        await withCheckedContinuation { continuation in
            let thread = Thread {
                #if os(Linux)
                    // Of the calling thread alone, by Linux's deviation from POSIX.
                    setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
                #else
                    Thread.current.qualityOfService = .utility
                #endif
                continuation.resume(returning: run())
            }
            thread.start()
        }
    }
}
