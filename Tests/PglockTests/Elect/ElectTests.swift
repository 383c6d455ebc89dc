import ChildProcesses
import Foundation
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("pglock elect, leader and resign")
struct ElectTests {
    /// A command that says when it begins and is asked to end.
    private static let script = "trap 'echo asked to end; exit 0' TERM; echo leads; while :; do sleep 0.02; done"

    private func elect(_ name: String, _ instance: String, url: String) throws -> LaunchedPglock {
        try LaunchedPglock(["elect", name, "sh", "-c", Self.script], url: url, variables: ["PGAPPNAME": instance])
    }

    private func end(_ candidates: [LaunchedPglock]) async throws {
        for candidate in candidates { candidate.process.signal(SIGTERM) }
        for candidate in candidates { _ = try await candidate.finish() }
    }

    /// How often the candidate has begun to lead.
    private func terms(of candidate: LaunchedPglock) -> Int {
        candidate.output.split(separator: "\n").count { $0 == "leads" }
    }

    /// Has the leader resign until the other candidate leads. The former leader pauses for two to three seconds, and is faster all the same if the
    /// other one gets no time of a processor for so long.
    private func handOver(_ name: String, from leader: LaunchedPglock, to other: LaunchedPglock, url: String) async throws {
        let others = terms(of: other)
        for _ in 0..<20 {
            let own = terms(of: leader)
            let resigned = try await pglock("resign", "-w", "120", name, url: url)
            #expect(resigned.status == .exited(0))
            #expect(resigned.error.isEmpty)
            try await eventually { terms(of: other) > others || terms(of: leader) > own }
            if terms(of: other) > others { return }
        }
        Issue.record("The other candidate never leads.")
    }

    @Test("one candidate runs the command; resign has it ended by SIGTERM, another candidate leads, and the former stands by again")
    func resign() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let first = try elect(name, "host-1", url: server.url)
        try await first.waitForOutput("leads")
        let second = try elect(name, "host-2", url: server.url)
        var line = ""
        try await eventually {
            let leader = try await pglock("leader", name, url: server.url)
            line = leader.output
            return leader.status == .exited(0) && line.contains("since")
        }
        #expect(line.hasPrefix("host-1 (process "), "\(line)")
        let json = try await pglock("leader", "--json", name, url: server.url)
        #expect(json.output.contains(#""name" : "host-1""#), "\(json.output)")
        #expect(second.output.isEmpty)
        try await handOver(name, from: first, to: second, url: server.url)
        let ended = String(repeating: "leads\nasked to end\n", count: terms(of: first))
        #expect(first.output == ended)
        try await first.waitForOutput("standing by again")
        try await handOver(name, from: second, to: first, url: server.url)
        #expect(first.output == ended + "leads\n")
        try await end([first, second])
    }

    @Test("a command that ends by itself ends pglock elect with its status, and the lead is free")
    func commandEnds() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let result = try await pglock("elect", name, "--", "sh", "-c", "echo $PGLOCK_NAME; exit 7", url: server.url)
        #expect(result.status == .exited(7))
        #expect(result.output == "\(name)\n")
        #expect(try await server.isFree(LockKey(name)))
    }

    @Test("a signal ends a stand-by as without a handler, and goes to the command of a leader, whose status is passed on")
    func signals() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let leader = try elect(name, "host-1", url: server.url)
        try await leader.waitForOutput("leads")
        // No other test's session has this name.
        let instance = "host-\(UInt64.random(in: .min ... .max))"
        let standBy = try elect(name, instance, url: server.url)
        try await eventually {
            try await server.server.query("SELECT count(*) FROM pg_stat_activity WHERE application_name = '\(instance)'") != [["0"]]
        }
        standBy.process.signal(SIGTERM)
        #expect(try await standBy.finish().status == .signalled(SIGTERM))
        leader.process.signal(SIGTERM)
        let result = try await leader.finish()
        #expect(result.status == .exited(0))
        #expect(result.output == "leads\nasked to end\n")
        #expect(try await server.isFree(LockKey(name)))
    }

    @Test("if the lead is lost, the command gets SIGTERM, and pglock elect stands by and leads again")
    func loss() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let candidate = try elect(name, "host-1", url: server.url)
        try await candidate.waitForOutput("leads")
        try await server.terminateHolders(of: name)
        try await eventually { candidate.output == "leads\nasked to end\nleads\n" }
        #expect(candidate.error.contains("was lost"), "\(candidate.error)")
        try await end([candidate])
    }

    @Test("if the pglock elect of the leader is killed, another candidate leads")
    func killed() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let arguments = ["elect", name, "sh", "-c", "echo leads; exec sleep 3"]
        let first = try LaunchedPglock(arguments, url: server.url)
        try await first.waitForOutput("leads")
        let second = try LaunchedPglock(arguments, url: server.url)
        first.process.signal(SIGKILL)
        try await second.waitForOutput("leads")
        #expect(try await second.finish().status == .exited(0))
        _ = try await first.finish()
    }

    @Test("a command that ignores SIGTERM gets SIGKILL after --kill-after; resign exits with 75 if the leader does not step down in time")
    func stubborn() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let script = "trap '' TERM; echo leads; while :; do sleep 0.02; done"
        let candidate = try LaunchedPglock(["elect", "--kill-after", "30", name, "sh", "-c", script], url: server.url)
        try await candidate.waitForOutput("leads")
        // Long enough to connect on a busy machine, too.
        let late = try await pglock("resign", "-w", "6", name, url: server.url)
        #expect(late.status == .exited(75))
        #expect(late.error.contains("leads still"), "\(late.error)")
        let patient = try await pglock("resign", "-w", "120", name, url: server.url)
        #expect([.exited(0), .exited(1)].contains(patient.status), "It may have stepped down between the two.")
        candidate.process.signal(SIGINT)
        _ = try await candidate.finish()
    }

    @Test("without a leader, leader and resign exit with 1")
    func none() async throws {
        let server = try await SharedServer.get()
        for verb in ["leader", "resign"] {
            let result = try await pglock(verb, SharedServer.freshName(), url: server.url)
            #expect(result.status == .exited(1))
            #expect(result.output.isEmpty)
            #expect(result.error.contains("no session leads"), "\(result.error)")
        }
    }

    @Test("the statuses of pglock elect for an invalid command line, a missing command and a missing server are those of pglock run")
    func statuses() async throws {
        let server = try await SharedServer.get()
        #expect(try await pglock("elect", "k", url: server.url).status == .exited(64))
        #expect(try await pglock("elect", "", "true", url: server.url).status == .exited(64))
        #expect(try await pglock("resign", "-w", "0", "k", url: server.url).status == .exited(64))
        #expect(try await pglock("elect", "k", "no-such-command-here", url: server.url).status == .exited(127))
        for arguments in [["elect", "--connect-timeout", "2", "k", "true"], ["leader", "--connect-timeout", "2", "k"]] {
            #expect(try await LaunchedPglock(arguments, url: "postgres://127.0.0.1:1/db").finish().status == .exited(69))
        }
    }
}
