import Chaos
import Foundation
import PostgresLock
import Testing

@Suite("The failover run")
struct FailoverTests {
    private static let rules = TimelineRules(longestOverlap: 100, longestOvershoot: 50, longestCommit: 200)

    @Test("every seed plans each kind of fault once in each group; the same seed plans the same faults", arguments: UInt64(1)...20)
    func schedule(seed: UInt64) {
        let kinds = FailoverFault.Kind.allCases
        let faults = Array(FailoverSchedule(seed: seed, kinds: kinds).prefix(kinds.count * 2))
        #expect(Set(faults.prefix(kinds.count).map(\.kind)) == Set(kinds))
        #expect(Set(faults.suffix(kinds.count).map(\.kind)) == Set(kinds))
        #expect(faults == Array(FailoverSchedule(seed: seed, kinds: kinds).prefix(kinds.count * 2)))
        #expect(faults != Array(FailoverSchedule(seed: seed + 100, kinds: kinds).prefix(kinds.count * 2)))
        #expect(Array(FailoverSchedule(seed: seed, kinds: []).prefix(1)) == [])
    }

    @Test("a member's configuration has its own addresses, and the settings that the mode asks for", arguments: [true, false])
    func configuration(isOn: Bool) {
        let configuration = PatroniConfiguration(
            name: "n2",
            address: "10.0.0.2",
            port: 5433,
            restPort: 8009,
            listens: "0.0.0.0",
            etcd: "10.0.0.254:2379",
            folder: "/tmp/n2",
            binaryDirectory: "/usr/bin",
            isSynchronous: isOn,
            checksTimeline: !isOn
        )
        for line in [
            "name: n2", "restapi: {listen: \"0.0.0.0:8009\", connect_address: \"10.0.0.2:8009\"}", "etcd3: {hosts: \"10.0.0.254:2379\"}",
            "    synchronous_mode: \(isOn)", "    check_timeline: \(!isOn)", "  connect_address: \"10.0.0.2:5433\"",
            "  data_dir: \"/tmp/n2/data\"",
        ] { #expect(configuration.text.contains("\n\(line)\n") || configuration.text.contains("\(line)\n"), "\(line)") }
    }

    @Test("a cluster is in order if all members follow one leader on its timeline, with a synchronous standby where one is asked for")
    func cluster() throws {
        func cluster(_ roles: [(role: String, state: String, timeline: Int)]) throws -> PatroniCluster {
            let members = roles.enumerated().map { number, member in
                """
                {"name": "n\(number)", "role": "\(member.role)", "state": "\(member.state)", "timeline": \(member.timeline), "lag": 0}
                """
            }
            return try PatroniCluster(Data("{\"members\": [\(members.joined(separator: ","))], \"scope\": \"failover\"}".utf8))
        }
        let leader = ("leader", "running", 2)
        let good = try cluster([("replica", "streaming", 2), leader, ("sync_standby", "streaming", 2)])
        #expect(good.leader?.name == "n1")
        #expect(good.isHealthy(members: 3, isSynchronous: true))
        #expect(!good.isHealthy(members: 4, isSynchronous: true))
        let asynchronous = try cluster([leader, ("replica", "streaming", 2)])
        #expect(asynchronous.isHealthy(members: 2, isSynchronous: false))
        #expect(!asynchronous.isHealthy(members: 2, isSynchronous: true))
        for standby in [("replica", "streaming", 1), ("replica", "stopped", 2)] {
            #expect(try !cluster([leader, standby]).isHealthy(members: 2, isSynchronous: false))
        }
        #expect(try !cluster([("replica", "streaming", 2)]).isHealthy(members: 1, isSynchronous: false))
        let stopped = try PatroniCluster(Data(#"{"members": [{"name": "a", "role": "leader", "state": "stopped"}]}"#.utf8))
        #expect(stopped.leader == nil)
        #expect(throws: DecodingError.self) { try PatroniCluster(Data()) }
    }

    @Test("a member is a primary if its server runs as one, whatever its version of Patroni calls that")
    func status() throws {
        func isPrimary(_ role: String, _ state: String) throws -> Bool {
            try PatroniMemberStatus(Data("{\"role\": \"\(role)\", \"state\": \"\(state)\", \"timeline\": 3}".utf8)).isPrimary
        }
        #expect(try isPrimary("primary", "running") && isPrimary("master", "running"))
        #expect(try !isPrimary("replica", "running") && !isPrimary("primary", "stopped"))
    }

    @Test("a token has the timeline of its server in its first bytes")
    func timeline() throws {
        #expect(try Self.token(7, 3).timeline == 7)
        #expect(try Self.token(0x0102_0304, 3).timeline == 0x0102_0304)
    }

    @Test("locks of two servers may overlap for as long as the rules say, and no longer; without rules, or on one server, not at all")
    func overlaps() throws {
        for (until, isAllowed) in [(2100, true), (2101, false)] as [(Int64, Bool)] {
            var history = try HistoryScript().history
            try hold(in: &history, "a", claim: 20, from: 1500, until: until, token: Self.token(1, 5))
            try hold(in: &history, "b", claim: 21, from: 2000, until: 2500, token: Self.token(2, 1))
            #expect(HistoryCheck(history, rules: Self.rules).violations.isEmpty == isAllowed)
            #expect(!HistoryCheck(history).violations.isEmpty)
        }
        var same = try HistoryScript().history
        try hold(in: &same, "a", claim: 20, from: 1500, until: 2010, token: Self.token(1, 5))
        try hold(in: &same, "b", claim: 21, from: 2000, until: 2500, token: Self.token(1, 6))
        #expect(HistoryCheck(same, rules: Self.rules).violations.contains { $0.hasPrefix("conflicting locks overlap") })
    }

    @Test("a lock of a transaction counts by the timeline that it has noted")
    func transactions() throws {
        for (timeline, expected) in [(1, "locks of two servers overlap"), (2, "conflicting locks overlap")] as [(UInt32, String)] {
            var script = try HistoryScript()
            try hold(in: &script.history, "b", claim: 21, from: 2000, until: 2500, token: Self.token(2, 1))
            script.transact(worker: "a", claim: 20, from: 1900, until: 2300)
            script.note(1950, "a", .granted(claim: 20, onTimeline: timeline))
            #expect(HistoryCheck(script.history, rules: Self.rules).violations.contains { $0.hasPrefix(expected) })
        }
    }

    @Test("a holder may be refused once a newer server can have granted its lock, and not before")
    func refusals() throws {
        for (time, isAllowed) in [(1989, false), (1990, true)] as [(Int64, Bool)] {
            var script = try HistoryScript()
            try hold(in: &script.history, "a", claim: 20, from: 1500, until: 2050, token: Self.token(1, 5))
            script.note(time, "a", .refused(claim: 20))
            try hold(in: &script.history, "b", claim: 21, from: 2000, until: 2500, token: Self.token(2, 1))
            let violations = HistoryCheck(script.history, rules: Self.rules).violations
            #expect(violations.contains { $0.hasPrefix("the write of a lock's holder was refused") } != isAllowed)
        }
    }

    @Test("a stale write that the table accepts is a violation, also across servers")
    func writes() throws {
        var script = try HistoryScript()
        try hold(in: &script.history, "b", claim: 21, from: 1000, until: 1100, token: Self.token(2, 1))
        try hold(in: &script.history, "a", claim: 20, from: 1500, until: 1600, token: Self.token(1, 5))
        for (number, worker, claim, token) in [(4, "b", 21, try Self.token(2, 1)), (5, "a", 20, try Self.token(1, 5))] {
            script.history.writes.append(.init(key: 7, number: number, token: token, worker: worker, claim: claim))
        }
        let violations = HistoryCheck(script.history, rules: Self.rules).violations
        #expect(violations.count == 1)
        #expect(violations.first?.contains("a stale holder's write was accepted") == true)
    }

    @Test("a call that overshoots its timeout, or ends late after its locks, is a violation; without a timeout it is not")
    func overshoot() throws {
        func violations(timeout: Int64?, granted: Int64?, ended: Int64) throws -> [String] {
            var script = try HistoryScript()
            script.note(1000, "a", .begun(call: 30, what: "withLock", timeout: timeout))
            if let granted {
                script.note(granted, "a", .held(claim: 30, call: 30, key: 50, isExclusive: true, token: try Self.token(1, 9)))
                script.note(granted + 10, "a", .stillHeld(claim: 30))
            }
            script.note(ended, "a", .ended(call: 30, outcome: "done"))
            return HistoryCheck(script.history, rules: Self.rules).violations
        }
        #expect(try violations(timeout: 100, granted: nil, ended: 1150) == [])
        #expect(try violations(timeout: 100, granted: nil, ended: 1151).count == 1)
        #expect(try violations(timeout: nil, granted: nil, ended: 9000) == [])
        #expect(try violations(timeout: 100, granted: 1150, ended: 1210) == [])
        #expect(try violations(timeout: 100, granted: 1151, ended: 1211).count == 1)
        #expect(try violations(timeout: 100, granted: 1100, ended: 1161).count == 1)
    }

    @Test("the measures of a fault say how soon the fleet locks again, how long two servers were believed in, and what was refused")
    func measures() throws {
        var history = History()
        for worker in ["a", "b"] { history.note(ChaosEvent(time: 0, .started(leaseNanoseconds: 1000)), of: worker) }
        try hold(in: &history, "a", claim: 1, from: 90, until: 250, token: Self.token(1, 5))
        history.note(ChaosEvent(time: 240, .refused(claim: 1)), of: "a")
        try hold(in: &history, "b", claim: 2, from: 200, until: 300, token: Self.token(2, 1))
        var record = FailoverMeasures.Record(kind: .nodeDies, begun: 100, timeline: 1)
        (record.timelineAfter, record.over) = (2, 1000)
        let some = FailoverMeasures(record, of: history)
        #expect(some.firstGrant == 100 && some.allGranted == nil)
        #expect(some.overlaps == 1 && some.longestOverlap == 50 && some.longestBelief == 50)
        #expect(some.refusedWrites == 1)
        try hold(in: &history, "a", claim: 3, from: 400, until: 410, token: Self.token(2, 2))
        try hold(in: &history, "a", claim: 4, from: 2000, until: 2010, token: Self.token(2, 3))
        #expect(FailoverMeasures(record, of: history).allGranted == 300)
        record.over = 390
        #expect(FailoverMeasures(record, of: history).allGranted == nil)
    }

    private static func token(_ timeline: UInt32, _ location: Int) throws -> FencingToken {
        try #require(FencingToken(String(format: "%08x%016lx%08x", timeline, location, 0)))
    }

    private func hold(
        in history: inout History,
        _ worker: String,
        claim: Int,
        from: Int64,
        until: Int64,
        token: FencingToken
    ) throws {
        for (time, kind) in [
            (from - 10, .begun(call: claim, what: "acquire")),
            (from, .held(claim: claim, call: claim, key: 7, isExclusive: true, token: token)),
            (until, .stillHeld(claim: claim)), (until + 10, .ended(call: claim, outcome: "done")),
        ] as [(Int64, ChaosEvent.Kind)] { history.note(ChaosEvent(time: time, kind), of: worker) }
    }
}
