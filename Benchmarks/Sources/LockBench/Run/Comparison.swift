import Foundation
import PostgresLockTesting

/// One run: it starts the server, measures all contenders, and returns the report.
struct Comparison {
    let plan: Plan

    /// The part of one core that other processes may use during a step, on average. If they use more, the round is discarded.
    static let tolerance = 0.15
    static let timeout = Duration.seconds(5)

    static let rule = """
        A round is discarded if processes other than the benchmark's own and its server used more than \
        \(Int(tolerance * 100)) % of one core during it, or if the machine did not become that idle within 5 s before it. If \
        that is so in all rounds of a row, all are kept, and the row is marked by *, as are the verdicts that rest on it.
        """

    func run() async throws -> Report {
        let options = EphemeralPostgres.Options(settings: Stage.serverSettings, listensOnTCP: true)
        StandardError.print("Starting a PostgreSQL server …")
        return try await EphemeralPostgres.withServer(options) { server in
            var missing: [String] = []
            let pgbench = await Pgbench.find(server: server, missing: &missing)
            let needsPython = plan.includes("distinct") || plan.includes("single")
            let python = needsPython ? try await PythonPeers.prepare(missing: &missing) : nil
            let stage = Stage(plan: plan, server: server, pgbench: pgbench, python: python)
            var report = Report(plan: plan, server: server.serverVersion, missing: missing)
            report.software += [pgbench?.version, python?.version].compactMap { $0 }
            let workloads = Catalogue.workloads(stage).filter { plan.includes($0.name) }
            report.workloads = try await measure(workloads, server: await server.processIdentifier)
            report.verdicts = Requirement.all.filter { plan.includes($0.workload) }.map { $0.verdict(report) }
            return report
        }
    }

    /// Measures round 1 of all contenders, then round 2 of all, each round in another order.
    private func measure(_ workloads: [Workload], server: Int32?) async throws -> [WorkloadResult] {
        var results = workloads.map(WorkloadResult.init)
        let steps = (0..<plan.rounds).flatMap { round in
            workloads.enumerated().flatMap { index, workload in
                workload.contenders(inRound: round).map { Step(round: round, workload: index, contender: $0) }
            }
        }
        let progress = Progress(steps: steps.count, rounds: plan.rounds)
        let load = ForeignLoad(server: server)
        for step in steps {
            let workload = workloads[step.workload]
            if results[step.workload].failures[step.contender.id] != nil {
                progress.skip()
                continue
            }
            progress.begin(round: step.round, "\(workload.name): \(step.contender.title)")
            let isIdle = try await load.waitForIdle(atMost: Self.timeout, below: Self.tolerance)
            let mark = load.mark()
            do {
                let values = try await step.contender.measure()
                let foreign = load.foreignCores(since: mark)
                let isDisturbed = !isIdle || (foreign ?? 0) > Self.tolerance
                if isDisturbed { progress.note("disturbed") }
                for (metric, value) in values {
                    let sample = Sample(
                        round: step.round + 1,
                        value: value,
                        foreignCores: foreign,
                        load: ProcFile.load(),
                        isDisturbed: isDisturbed
                    )
                    results[step.workload].add(sample, contender: step.contender.id, metric: metric)
                }
            } catch {
                try Task.checkCancellation()
                progress.note("failed: \(error)")
                results[step.workload].failures[step.contender.id] = "\(error)"
            }
        }
        progress.end()
        return results
    }

    private struct Step {
        let round: Int
        let workload: Int
        let contender: Contender
    }
}
