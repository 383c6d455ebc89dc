import Foundation
import LockSimulation

/// Runs the simulation many times on all processor cores, and shows the progress.
///
/// Arguments: how many runs, and the first one's seed. Ends with status 1 if a promise was broken.
@main
struct LockSimulator {
    static func main() async {
        let arguments = CommandLine.arguments.dropFirst().map { UInt64($0) }
        guard case let numbers = arguments.compactMap(\.self), numbers.count == arguments.count, 1...2 ~= numbers.count,
            case (let last, false) = (numbers.count == 2 ? numbers[1] : 1).addingReportingOverflow(numbers[0])
        else {
            print("usage: LockSimulator RUNS [FIRST-SEED]")
            exit(2)
        }
        let failures = await run(seeds: last - numbers[0]..<last)
        exit(failures == 0 ? 0 : 1)
    }

    /// Returns how many runs have failed.
    private static func run(seeds: Range<UInt64>) async -> Int {
        var progress = SimulationProgress(runs: seeds.count)
        await withTaskGroup(of: SimulationReport.self) { group in
            var waiting = seeds.makeIterator()
            let begin = { (group: inout TaskGroup<SimulationReport>) in
                guard let seed = waiting.next() else { return }
                group.addTask { Simulation(seed: seed).run() }
            }
            for _ in 0..<ProcessInfo.processInfo.activeProcessorCount { begin(&group) }
            while let report = await group.next() {
                begin(&group)
                progress.note(report)
            }
        }
        progress.end()
        return progress.failures
    }
}
