import Chaos
import Foundation

/// Carries faults out on a cluster, one after the other, and repairs it.
struct FaultOperator: Sendable {
    let cluster: FailoverCluster
    /// How long two servers are watched after a promotion: longer than a lease and the search for the new primary.
    static let watch = Duration.seconds(12)

    struct Outcome: Sendable {
        var record: FailoverMeasures.Record
        /// When sessions were ended on a server that grants the same locks again on its timeline.
        var endings: [History.Ending] = []
    }

    /// - Returns: `nil` if there is no primary to begin with.
    func commit(_ fault: FailoverFault) async throws -> Outcome? {
        guard let (primary, timeline) = await cluster.primary() else { return nil }
        var standbys = cluster.members.filter { $0.name != primary.name }
        if fault.standby == 1 { standbys.reverse() }
        if fault.kind == .postmasterKilledForGood { await set(primaryStartTimeout: 0) }
        var outcome = Outcome(record: .init(kind: fault.kind, begun: ChaosClock.now, timeline: timeline))
        switch fault.kind {
        case .nodeDies: await killNode(primary, &outcome)
        case .nodeVanishes:
            try await cluster.network?.cut(number(of: primary), fromClients: true)
            await killNode(primary, &outcome)
        case .postmasterKilled, .postmasterKilledForGood:
            await primary.killPostmaster()
            try await Task.sleep(for: .seconds(1))
            end(since: outcome.record.begun, &outcome)
        case .postgresFrozen: await primary.signalServers(SIGSTOP)
        case .bothFrozen:
            await primary.signalPatroni(SIGSTOP)
            await primary.signalServers(SIGSTOP)
        case .patroniKilled: await primary.killPatroni()
        case .cutOff: try await cluster.network?.cut(number(of: primary), fromClients: false)
        case .switchover: Task { await primary.client.send("POST", "/switchover", "{\"leader\": \"\(primary.name)\"}", limit: 30) }
        case .promotedByHand: _ = await cluster.query("SELECT pg_promote(false)", on: standbys[0])
        case .twoFailovers:
            await standbys[1].signalPatroni(SIGSTOP)
            await standbys[1].signalServers(SIGSTOP)
            await killNode(primary, &outcome)
        }
        let promoted = await waitForPromotion(above: timeline, for: fault.kind)
        outcome.record.promoted = promoted?.time
        if fault.kind == .twoFailovers, let second = promoted?.member { try await failAgain(second, after: primary, standbys[1], &outcome) }
        try await Task.sleep(for: Self.watch)
        // A paused machine stays so for longer than it takes to promote another one.
        let shortest: Int64 = [.postgresFrozen, .bothFrozen].contains(fault.kind) ? 32 : 0
        while ChaosClock.now - outcome.record.begun < shortest * 1_000_000_000 { try await Task.sleep(for: .milliseconds(100)) }
        outcome.record.timelineAfter = max(timeline, await cluster.primary()?.timeline ?? promoted?.timeline ?? timeline)
        try await repair()
        if fault.kind == .postmasterKilledForGood { await set(primaryStartTimeout: 300) }
        outcome.record.isHealed = await cluster.waitUntilHealthy(within: 60)
        return outcome
    }

    /// The promoted server dies, too, while the standby that was frozen wakes and the former primary comes back.
    private func failAgain(
        _ second: ClusterMember,
        after first: ClusterMember,
        _ frozen: ClusterMember,
        _ outcome: inout Outcome
    ) async throws {
        try await Task.sleep(for: .seconds(6))
        await killNode(second, &outcome)
        outcome.record.struck = ChaosClock.now
        await frozen.signalServers(SIGCONT)
        await frozen.signalPatroni(SIGCONT)
        try await first.start()
        // Neither may be promoted before the second one is back: they lack what it has committed.
        try await Task.sleep(for: .seconds(25))
        try await second.start()
        _ = await FailoverCluster.wait(40) { await cluster.primary() != nil }
    }

    private func killNode(_ member: ClusterMember, _ outcome: inout Outcome) async {
        let begin = ChaosClock.now
        await member.killPatroni()
        await member.signalServers(SIGKILL)
        // What the promoted server's main process has started meanwhile.
        await member.signalServers(SIGKILL)
        try? await Task.sleep(for: .milliseconds(500))
        end(since: begin, &outcome)
    }

    private func end(since begin: Int64, _ outcome: inout Outcome) {
        outcome.endings.append(.init(worker: nil, from: begin, to: ChaosClock.now))
    }

    private func waitForPromotion(
        above timeline: UInt32,
        for kind: FailoverFault.Kind
    ) async -> (member: ClusterMember, timeline: UInt32, time: Int64)? {
        let limit = kind == .postmasterKilled ? 1 : kind == .promotedByHand ? 10 : 45
        let end = ContinuousClock.now + .seconds(limit)
        // Each is asked by a task of its own: a frozen one would hold up the others' answers.
        return await withTaskGroup { group in
            for member in cluster.members {
                group.addTask { () -> (member: ClusterMember, timeline: UInt32, time: Int64)? in
                    while ContinuousClock.now < end, !Task.isCancelled {
                        if let status = await member.client.status(), status.isPrimary, let found = status.timeline, found > timeline {
                            return (member, found, ChaosClock.now)
                        }
                        try? await Task.sleep(for: .milliseconds(100))
                    }
                    return nil
                }
            }
            for await found in group {
                guard let found else { continue }
                group.cancelAll()
                return found
            }
            return nil
        }
    }

    /// Mends the networks, and continues and starts everything.
    func repair() async throws {
        for (number, member) in cluster.members.enumerated() {
            try await cluster.network?.mend(number)
            await member.signalServers(SIGCONT)
            await member.signalPatroni(SIGCONT)
            try await member.start()
        }
    }

    private func set(primaryStartTimeout seconds: Int) async {
        for member in cluster.members where await !member.client.send("PATCH", "/config", "{\"primary_start_timeout\": \(seconds)}").isEmpty
        {
            break
        }
        // The members read it with their next turn.
        try? await Task.sleep(for: .seconds(3))
    }

    private func number(of member: ClusterMember) -> Int { cluster.members.firstIndex { $0.name == member.name } ?? 0 }
}
