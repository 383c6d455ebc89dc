import ChildProcesses
import Foundation
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("pglock run --once-per")
struct RunOncePerTests {
    @Test("on several hosts the command runs once per interval, and the others exit with 0 and print nothing")
    func once() async throws {
        let server = try await SharedServer.get()
        try await server.locks.createRunTable()
        let name = SharedServer.freshName()
        let results = try await withThrowingTaskGroup { group in
            for _ in 0..<4 {
                group.addTask { try await pglock("run", "--once-per", "24h", name, "--", "echo", "ran", url: server.url) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(results.map(\.output).sorted() == ["", "", "", "ran\n"])
        #expect(results.allSatisfy { $0.status == .exited(0) && $0.error.isEmpty }, "\(results)")
        let late = try await pglock("run", "--once-per", "24h", "-E", "9", "-v", name, "echo", "ran", url: server.url)
        #expect(late.status == .exited(9))
        #expect(late.output.isEmpty)
        #expect(late.error.contains(" ran it at "), "\(late.error)")
    }

    @Test("a command that fails is not repeated, unless --repeat-after says so; its status is passed on")
    func failure() async throws {
        let server = try await SharedServer.get()
        try await server.locks.createRunTable()
        let name = SharedServer.freshName()
        #expect(try await pglock("run", "--once-per", "24h", name, "false", url: server.url).status == .exited(1))
        #expect(try await pglock("run", "--once-per", "24h", name, "echo", "ran", url: server.url).output.isEmpty)
        let repeated = try await pglock("run", "--once-per", "24h", "--repeat-after", "0s", name, "echo", "ran", url: server.url)
        #expect(repeated.output == "ran\n")
        let done = try await pglock("run", "--once-per", "24h", "--repeat-after", "0s", name, "echo", "ran", url: server.url)
        #expect(done.output.isEmpty)
    }

    @Test("a pglock that is killed while its command runs has run it")
    func killed() async throws {
        let server = try await SharedServer.get()
        try await server.locks.createRunTable()
        let name = SharedServer.freshName()
        let run = try LaunchedPglock(["run", "--once-per", "24h", name, "sh", "-c", "echo up; exec sleep 3"], url: server.url)
        try await run.waitForOutput("up")
        run.process.signal(SIGKILL)
        _ = try await run.finish()
        try await eventually { try await server.isFree(LockKey(name)) }
        #expect(try await pglock("run", "--once-per", "24h", name, "echo", "ran", url: server.url).output.isEmpty)
    }

    @Test("without its table pglock exits with 78 and says how to make it; what pglock schema prints makes it")
    func schema() async throws {
        let server = try await SharedServer.get()
        let table = "runs_\(UInt32.random(in: .min ... .max))"
        let arguments = ["run", "--once-per", "1h", "--since-last", "--table", table, SharedServer.freshName(), "echo", "ran"]
        let missing = try await LaunchedPglock(arguments, url: server.url).finish()
        #expect(missing.status == .exited(78))
        #expect(missing.output.isEmpty)
        #expect(missing.error.contains("pglock schema | psql"), "\(missing.error)")
        let definition = try await pglock("schema", "--table", table)
        #expect(definition.status == .exited(0))
        try await server.server.query(definition.output)
        #expect(try await LaunchedPglock(arguments, url: server.url).finish().output == "ran\n")
        #expect(try await LaunchedPglock(arguments, url: server.url).finish().output.isEmpty)
    }

    @Test("a signal that comes while the command runs is forwarded, and the run counts as failed")
    func signal() async throws {
        let server = try await SharedServer.get()
        try await server.locks.createRunTable()
        let name = SharedServer.freshName()
        let run = try LaunchedPglock(["run", "--once-per", "24h", name, "sh", "-c", "echo up; exec sleep 30"], url: server.url)
        try await run.waitForOutput("up")
        run.process.signal(SIGTERM)
        #expect(try await run.finish().status == .exited(143))
        #expect(try await server.server.query("SELECT state FROM pglock_runs WHERE name = '\(name)'") == [["failed"]])
        #expect(try await server.isFree(LockKey(name)))
    }

    @Test("if the lock is lost, the command gets SIGTERM, and pglock run exits with 70")
    func lost() async throws {
        let server = try await SharedServer.get()
        try await server.locks.createRunTable()
        let name = SharedServer.freshName()
        let script = "trap 'echo asked to end; exit 0' TERM; echo up; while :; do sleep 0.02; done"
        let run = try LaunchedPglock(["run", "--once-per", "24h", name, "sh", "-c", script], url: server.url)
        try await run.waitForOutput("up")
        try await server.terminateHolders(of: name)
        let result = try await run.finish()
        #expect(result.status == .exited(70))
        #expect(result.output == "up\nasked to end\n")
    }

    @Test(
        "command lines that make no sense with --once-per are refused with 64",
        arguments: [
            ["--once-per", "24h", "k"], ["--once-per", "24", "k", "true"], ["--once-per", "24h", "-w", "1", "k", "true"],
            ["--once-per", "24h", "-s", "k", "true"], ["--once-per", "24h", "--number", "1", "true"], ["--since-last", "k", "true"],
            ["--repeat-after", "1h", "k", "true"], ["--table", "t", "k", "true"], ["--once-per", "24h", "--table", "a.b.c", "k", "true"],
            ["--once-per", "1s", "k", "true"],
        ]
    )
    func usage(_ arguments: [String]) async throws {
        let server = try await SharedServer.get()
        let result = try await LaunchedPglock(["run"] + arguments, url: server.url).finish()
        #expect(result.status == .exited(64), "\(result.error)")
        #expect(!result.error.isEmpty)
    }
}
