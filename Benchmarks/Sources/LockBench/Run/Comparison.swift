import Foundation
import PostgresLockTesting

/// One run: it starts the servers, measures all contenders, and returns the report.
struct Comparison {
    let plan: Plan
    let workloads: [Workload]

    /// The part of one core that other processes may use during a step, on average. If they use more, the round is discarded.
    static let tolerance = 0.15
    static let timeout = Duration.seconds(5)

    static let rule = """
        A round is discarded if processes other than the benchmark's own and its servers used more than \
        \(Int(tolerance * 100)) % of one core during it, or if the machine did not become that idle within 5 s before it. If \
        that is so in all rounds of a row, all are kept, and the row is marked by *, as are the verdicts that rest on it.
        """

    init(plan: Plan) {
        self.plan = plan
        workloads = Catalogue.workloads.map { $0.chosen(by: plan.selection) }.filter { !$0.contenders.isEmpty }
    }

    func run() async throws -> Report {
        let options = EphemeralPostgres.Options(settings: Stage.serverSettings, listensOnTCP: true)
        StandardError.print("Starting a PostgreSQL server …")
        return try await EphemeralPostgres.withServer(options) { server in
            guard let process = await server.processIdentifier else { throw BenchError("The PostgreSQL server does not run.") }
            let needs = Set(workloads.flatMap { $0.contenders.flatMap(\.needs) })
            var missing: [String] = []
            let pgbench = needs.contains(.pgbench) ? await Pgbench.find(server: server, missing: &missing) : nil
            let python = needs.contains(.python) ? try await PythonPeers.prepare(missing: &missing) : nil
            return try await OtherServers.running(needs, missing: missing) { others, missing in
                let stage = Stage(
                    plan: plan,
                    server: server,
                    serverProcess: process,
                    pgbench: pgbench,
                    python: python,
                    redis: others.redis,
                    etcd: others.etcd
                )
                return try await report(stage, missing)
            }
        }
    }

    private func report(_ stage: Stage, _ missing: [String]) async throws -> Report {
        var missing = missing
        let hasTools = await Surroundings.hasTools()
        let measured = workloads.compactMap { workload -> Workload? in
            if let obstacle = workload.surroundings.obstacle(cores: plan.cores.list, hasTools: hasTools) {
                missing.append("\(workload.name): \(obstacle)")
                return nil
            }
            let possible = workload.with { $0.needs.allSatisfy(stage.has) }
            return possible.contenders.isEmpty ? nil : possible
        }
        var report = Report(plan: plan, server: stage.server.serverVersion, missing: missing)
        report.software += [stage.pgbench?.version, stage.python?.version, stage.redis?.version, stage.etcd?.version].compactMap { $0 }
        report.promises = [stage.redis.map { _ in RedisServer.promises }, stage.etcd.map { _ in EtcdServer.promises }].compactMap { $0 }
        report.workloads = try await measure(measured, stage)
        report.verdicts = Requirement.all.filter { $0.isMeasured(by: report) }.map { $0.verdict(report) }
        return report
    }

    /// Measures round 1 of all contenders, then round 2 of all, each round in another order.
    private func measure(_ workloads: [Workload], _ stage: Stage) async throws -> [WorkloadResult] {
        var results = workloads.map(WorkloadResult.init)
        let steps = (0..<plan.rounds).flatMap { round in
            workloads.enumerated().flatMap { index, workload in
                workload.contenders(inRound: round).map { Step(round: round, workload: index, contender: $0) }
            }
        }
        let progress = Progress(steps: steps.count, rounds: plan.rounds)
        let load = ForeignLoad(servers: stage.serverProcesses)
        for step in steps {
            let workload = workloads[step.workload]
            if results[step.workload].failures[step.contender.id] != nil {
                progress.skip()
                continue
            }
            progress.begin(round: step.round, "\(workload.name): \(step.contender.title)")
            let isIdle = try await load.waitForIdle(atMost: Self.timeout, below: Self.tolerance)
            do {
                let (values, foreign) = try await measure(step.contender, workload.surroundings, stage, load)
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

    /// Measures a contender once in its surroundings.
    ///
    /// - Returns: The values, and how many cores other processes used meanwhile.
    private func measure(
        _ contender: Contender,
        _ surroundings: Surroundings,
        _ stage: Stage,
        _ load: ForeignLoad
    ) async throws -> ([String: Double], Double?) {
        if surroundings == .awake {
            return try await Spinners.running(on: plan.cores.list) { spinners in
                var load = load
                load.helpers = spinners.processIdentifiers
                return try await measure(contender, stage, load)
            }
        }
        guard let places = surroundings.places(among: plan.cores.list) else { return try await measure(contender, stage, load) }
        try await Cores.bind(server: stage.serverProcess, to: places.server)
        var bound = stage
        bound.clientCores = places.client
        let result: Result<([String: Double], Double?), any Error>
        do { result = .success(try await measure(contender, bound, load)) } catch { result = .failure(error) }
        // In a cancelled task this fails, but then the run is over.
        try await Cores.bind(server: stage.serverProcess, to: plan.cores.list)
        return try result.get()
    }

    private func measure(_ contender: Contender, _ stage: Stage, _ load: ForeignLoad) async throws -> ([String: Double], Double?) {
        let mark = load.mark()
        let values = try await contender.measure(stage)
        return (values, load.foreignCores(since: mark))
    }

    private struct Step {
        let round: Int
        let workload: Int
        let contender: Contender
    }
}
