import ChildProcesses
import Foundation
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("Two pglock run with the same lock")
struct RunLockTests {
    @Test("the second pglock run with a name waits for the end of the first one")
    func exclusion() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let script = ["sh", "-c", #"echo "begin $0" >> "$FILE"; sleep 0.3; echo "end $0" >> "$FILE""#]
        let file = "/tmp/pglock-test-\(UInt64.random(in: .min ... .max))"
        defer { unlink(file) }
        let runs = try (0..<3).map { index in
            try LaunchedPglock(["run", name] + script + ["\(index)"], url: server.url, variables: ["FILE": file])
        }
        for run in runs { #expect(try await run.finish().status == .exited(0)) }
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 6)
        for index in stride(from: 0, to: lines.count - 1, by: 2) {
            #expect(lines[index].hasPrefix("begin"))
            #expect(lines[index].replacing("begin", with: "end") == lines[index + 1])
        }
    }

    @Test("pglock run -n and -w exit with the status of -E if the lock is taken, and leave no lock")
    func contention() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let holder = try LaunchedPglock(["run", name, "sh", "-c", "echo up; exec sleep 600"], url: server.url)
        try await holder.waitForOutput("up")
        let nonblock = try await pglock("run", "-n", name, "true", url: server.url)
        #expect(nonblock.status == .exited(1))
        #expect(nonblock.error.isEmpty)
        #expect(try await pglock("run", name, "-nE", "75", "true", url: server.url).status == .exited(75))
        #expect(try await pglock("run", "-w", "0", name, "true", url: server.url).status == .exited(1))
        // Of this time it needs some to connect, on a busy machine. Without a connection it would not know that the lock is taken.
        let begin = ContinuousClock.now
        let wait = try await pglock("run", "--wait", "6.5", "--conflict-exit-code", "9", name, "true", url: server.url)
        #expect(wait.status == .exited(9))
        #expect(begin.duration(to: .now) >= .milliseconds(6500))
        #expect(wait.error.hasPrefix("pglock: Waited 6.5 seconds for "))
        for arguments in [["-n", "-v"], ["-w", "0"]] {
            var told = ""
            // On a busy machine the server may not say in time who holds the lock.
            for _ in 0..<20 where !told.contains("is taken, and was not waited for. Held by ") {
                let run = try await LaunchedPglock(["run"] + arguments + [name, "true"], url: server.url).finish()
                #expect(run.status == .exited(1))
                #expect(run.error.contains("is taken, and was not waited for."))
                told = run.error
            }
            #expect(told.contains("is taken, and was not waited for. Held by "), "\(told)")
        }
        holder.process.signal(SIGTERM)
        #expect(try await holder.finish().status == .exited(143))
        #expect(try await server.isFree(LockKey(name)))
    }

    @Test("pglock run -s shares the lock with other -s, and excludes -x")
    func shared() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let holder = try LaunchedPglock(["run", "-s", name], url: server.url)
        try await holder.waitForOutput("holding")
        #expect(try await pglock("run", "-sn", name, "true", url: server.url).status == .exited(0))
        #expect(try await pglock("run", "-xn", name, "true", url: server.url).status == .exited(1))
        holder.process.signal(SIGTERM)
        #expect(try await holder.finish().status == .exited(0))
    }

    @Test("the second pglock run gets the lock when the first one is killed by SIGKILL")
    func killed() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let first = try LaunchedPglock(["run", name, "sh", "-c", "echo $$ is up; exec sleep 100"], url: server.url)
        try await first.waitForOutput("is up")
        // On other systems than Linux the command outlives it.
        let command = try #require(first.output.split(separator: " ").first.flatMap { Int32($0) })
        defer { kill(command, SIGKILL) }
        let second = try LaunchedPglock(["run", name, "echo", "got it"], url: server.url)
        try await eventually { try await server.waiters(for: name) == 1 }
        first.process.signal(SIGKILL)
        let result = try await second.finish()
        #expect(result.output == "got it\n")
        #expect(try await first.finish().status == .signalled(SIGKILL))
    }

    @Test("a pglock run inside one that holds the same lock alone runs under that lock, and says so, also over several levels")
    func nested() async throws {
        let server = try await SharedServer.get()
        let (name, other) = (SharedServer.freshName(), SharedServer.freshName())
        let pglock = LaunchedPglock.path(of: "pglock")
        for words in [["run"], ["run", "-w", "600"], ["run", "-s"], ["run", "-n", "-E", "7"]] {
            let inner = [pglock] + words + [name, "sh", "-c", "echo ran under $PGLOCK_NAME; exit 3"]
            let result = try await LaunchedPglock(["run", name, pglock, "run", other] + inner, url: server.url).finish()
            #expect(result.status == .exited(3), "\(result.error)")
            #expect(result.output == "ran under \(name)\n")
            #expect(result.error.contains("the command runs under that lock"), "\(result.error)")
        }
        #expect(try await server.isFree(LockKey(name)))
    }

    @Test("a pglock inside one that holds the same lock is refused at once if that lock does not suffice")
    func nestedRefused() async throws {
        let server = try await SharedServer.get()
        let (name, other) = (SharedServer.freshName(), SharedServer.freshName())
        let pglock = LaunchedPglock.path(of: "pglock")
        try await server.locks.createRunTable()
        let cases: [(outer: [String], words: [String])] = [
            ([], ["run", "--once-per", "24h"]), ([], ["elect"]), (["-s"], ["run"]), (["-s"], ["run", "-w", "600"]),
            (["-s"], ["run", "--once-per", "24h"]), (["-s"], ["elect"]),
        ]
        for (outer, words) in cases {
            let inner = [pglock] + words + [name, "echo", "ran"]
            let result = try await LaunchedPglock(["run"] + outer + [name, pglock, "run", other] + inner, url: server.url).finish()
            #expect(result.status == .exited(64))
            #expect(result.output.isEmpty)
            #expect(result.error.contains("is held by a pglock around this one"), "\(result.error)")
        }
        let unwilling = ["-s", name, pglock, "run", other, pglock, "run", "-n", "-E", "7", name, "echo", "ran"]
        let result = try await LaunchedPglock(["run"] + unwilling, url: server.url).finish()
        #expect(result.status == .exited(7))
        #expect(result.output.isEmpty)
    }

    @Test("a pglock run in a process that outlives its enclosing pglock run waits for the lock")
    func orphaned() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let keys = try await LaunchedPglock(["run", name, "sh", "-c", "echo $PGLOCK_KEYS"], url: server.url).finish().output
        let variables = ["PGLOCK_KEYS": keys.trimmingCharacters(in: .newlines)]
        let lock = try await server.locks.acquire(LockKey(name))
        let limited = try LaunchedPglock(["run", "-w", "6", "-E", "7", name, "echo", "ran"], url: server.url, variables: variables)
        #expect(try await limited.finish().status == .exited(7))
        let patient = try LaunchedPglock(["run", "-v", name, "echo", "ran"], url: server.url, variables: variables)
        try await lock.release()
        #expect(try await patient.finish().output == "ran\n")
    }

    @Test(
        "a pglock run inside another one gets another key, a shared lock, the same key in another database, and a lock that is free again"
    )
    func nestedOtherwise() async throws {
        let server = try await SharedServer.get()
        let (name, other) = (SharedServer.freshName(), SharedServer.freshName())
        let pglock = LaunchedPglock.path(of: "pglock")
        let elsewhere = server.server.connectionURL(database: "template1")
        for (outer, inner) in [
            (["run", name], ["run", other]), (["run", "-s", name], ["run", "-s", name]),
            (["run", name], ["run", "--url", elsewhere, name]),
        ] {
            let result = try await LaunchedPglock(outer + ["--", pglock] + inner + ["echo", "ran"], url: server.url).finish()
            #expect(result.status == .exited(0))
            #expect(result.output == "ran\n", "\(result.error)")
        }
        // What outlives the lock inherits the variable all the same.
        let keys = try await LaunchedPglock(["run", name, "sh", "-c", "echo $PGLOCK_KEYS"], url: server.url).finish().output
        let late = try LaunchedPglock(
            ["run", name, "echo", "ran"],
            url: server.url,
            variables: ["PGLOCK_KEYS": keys.trimmingCharacters(in: .newlines)]
        )
        #expect(try await late.finish().output == "ran\n")
    }

    @Test("a pglock run inside another one waits for the same key in another database")
    func nestedElsewhere() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let elsewhere = server.server.connectionURL(database: "template1")
        let holder = try LaunchedPglock(["run", "--url", elsewhere, name, "sh", "-c", "echo up; exec sleep 600"])
        try await holder.waitForOutput("up")
        let inner = [LaunchedPglock.path(of: "pglock"), "run", "--url", elsewhere, name, "echo", "ran"]
        let nested = try LaunchedPglock(["run", name] + inner, url: server.url)
        // A refusal would end it.
        try await eventually { try await server.waiters(for: name) == 1 || nested.error.contains("PGLOCK_KEYS") }
        holder.process.signal(SIGTERM)
        #expect(try await holder.finish().status == .exited(143))
        let result = try await nested.finish()
        #expect(result.status == .exited(0))
        #expect(result.output == "ran\n", "\(result.error)")
    }

    @Test("pglock run --number excludes the name with this number")
    func numbers() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let number = try #require(LockKey(name).number)
        let lock = try await server.locks.acquire(LockKey(name))
        #expect(try await pglock("run", "-n", "--number", "\(number)", "true", url: server.url).status == .exited(1))
        try await lock.release()
        let pair = try await server.locks.acquire(LockKey(-7, 99))
        #expect(try await pglock("run", "--number", "-n", "-7,99", "true", url: server.url).status == .exited(1))
        try await pair.release()
    }
}
