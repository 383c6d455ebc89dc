import Foundation
import LockCore
import LockSimulation
import Testing

/// Set `PGLOCK_SIMULATION_RUNS` for more runs, `PGLOCK_SIMULATION_SEED` to repeat one.
@Suite("In simulated time, in good weather and bad")
struct SimulationTests {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap(UInt64.init)
    }

    @Test("the engines keep their promises, whatever the seed")
    func promises() {
        let seeds: Range<UInt64> =
            if let seed = Self.number("PGLOCK_SIMULATION_SEED") {
                seed..<seed + 1
            } else {
                1..<(Self.number("PGLOCK_SIMULATION_RUNS") ?? 200) + 1
            }
        var steps = 0
        var summary = (
            grants: 0, calls: 0, provedHeld: 0, lost: 0, downgrades: 0, upgrades: 0, refusedUpgrades: 0, refusedForRoom: 0,
            refusedByBudget: 0, suspected: 0, expired: 0
        )
        for seed in seeds {
            let simulation = Simulation(seed: seed)
            simulation.run()
            steps += simulation.agenda.steps
            summary.grants += simulation.ledger.grants
            summary.calls += simulation.ledger.resolved
            summary.provedHeld += simulation.ledger.provedHeld
            summary.lost += simulation.ledger.lost
            summary.downgrades += simulation.ledger.downgrades
            summary.upgrades += simulation.ledger.upgrades
            summary.refusedUpgrades += simulation.ledger.refusedUpgrades
            summary.refusedForRoom += simulation.ledger.refusedForRoom
            summary.refusedByBudget += simulation.ledger.refusedByBudget
            summary.suspected += simulation.ledger.suspected
            summary.expired += simulation.ledger.expired
            if !simulation.ledger.violations.isEmpty {
                let violations = simulation.ledger.violations.prefix(3).joined(separator: "\n")
                Issue.record("PGLOCK_SIMULATION_SEED=\(seed) \(simulation.profile)\n\(violations)")
                return
            }
        }
        print("simulated \(seeds.count) runs, \(steps) steps: \(summary)")
        // What is rare must have happened, or nothing was proved by its absence.
        guard seeds.count >= 100 else { return }
        #expect(summary.provedHeld > 0)
        #expect(summary.lost > 0)
        #expect(summary.downgrades > 0 && summary.upgrades > 0 && summary.refusedUpgrades > 0)
        #expect(summary.refusedForRoom > 0)
        #expect(summary.refusedByBudget > 0)
        #expect(summary.suspected > 0)
        #expect(summary.expired > 0)
    }

    @Test("a run repeats to the last event", arguments: 1...5 as ClosedRange<UInt64>)
    func repeats(seed: UInt64) {
        let (one, other) = (Simulation(seed: seed), Simulation(seed: seed))
        one.run()
        other.run()
        #expect(one.agenda.steps == other.agenda.steps)
        #expect(one.agenda.now == other.agenda.now)
        #expect(one.ledger.resolved == other.ledger.resolved)
    }
}
