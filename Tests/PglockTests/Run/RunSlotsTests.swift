import ChildProcesses
import Foundation
import PostgresLock
import Testing

@Suite("pglock run --slots")
struct RunSlotsTests {
    /// Holds a slot until its input is closed.
    private func holder(_ slots: Int, _ name: String, _ url: String) async throws -> LaunchedPglock {
        let run = try LaunchedPglock(
            ["run", "--slots", "\(slots)", name, "sh", "-c", "echo slot $PGLOCK_SLOT of $PGLOCK_NAME$PGLOCK_KEY; exec sleep 3600"],
            url: url
        )
        try await run.waitForOutput("of \(name)")
        return run
    }

    private func end(_ runs: LaunchedPglock...) async throws {
        for run in runs { run.process.signal(SIGTERM) }
        for run in runs { #expect(try await run.finish().status == .exited(128 + SIGTERM)) }
    }

    @Test("as many commands run as there are slots, each with the number of its own; with -n a further one exits with 1")
    func slots() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let (one, other) = (try await holder(2, name, server.url), try await holder(2, name, server.url))
        #expect(Set([one.output, other.output]) == ["slot 1 of \(name)\n", "slot 2 of \(name)\n"])
        let refused = try await pglock("run", "-n", "--slots", "2", name, "echo", "ran", url: server.url)
        #expect(refused.status == .exited(1))
        #expect(refused.output.isEmpty && refused.error.isEmpty)
        let told = try await pglock("run", "-w", "0.3", "-E", "9", "--slots", "2", name, "echo", "ran", url: server.url)
        #expect([.exited(9), .exited(69)].contains(told.status), "\(told)")
        try await end(one, other)
        #expect(try await pglock("run", "-n", "--slots", "2", name, "echo", "ran", url: server.url).output == "ran\n")
    }

    @Test("a command that waits for a slot runs when one is given back")
    func waits() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let held = try await holder(1, name, server.url)
        let waiting = try LaunchedPglock(["run", "--slots", "1", name, "echo", "ran"], url: server.url)
        try await end(held)
        let result = try await waiting.finish()
        #expect(result.status == .exited(0))
        #expect(result.output == "ran\n")
    }

    @Test("the slot of a pglock that is killed is free")
    func killed() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let held = try LaunchedPglock(["run", "--slots", "1", name], url: server.url)
        try await held.waitForOutput("holding permit 1 of 1 of \"\(name)\"")
        held.process.signal(SIGKILL)
        _ = try await held.finish()
        #expect(try await pglock("run", "--slots", "1", name, "echo", "ran", url: server.url).output == "ran\n")
    }

    @Test("a pglock run --slots inside one of the same name runs in the slot of the outer one, and says so, also over several levels")
    func nested() async throws {
        let server = try await SharedServer.get()
        let (name, other) = (SharedServer.freshName(), SharedServer.freshName())
        let run = ["run", "--slots", "2", name, LaunchedPglock.path(of: "pglock")]
        let between = ["run", other, LaunchedPglock.path(of: "pglock")]
        // One slot is left, which the outer one takes.
        let held = try await holder(2, name, server.url)
        let slot = held.output.contains("slot 1") ? 2 : 1
        for option in [[], ["-n"], ["-w", "600"]] {
            let innermost = ["run", "--slots", "2"] + option + [name, "sh", "-c", "echo slot $PGLOCK_SLOT of $PGLOCK_NAME$PGLOCK_KEY"]
            let result = try await LaunchedPglock(run + between + run + innermost, url: server.url).finish()
            #expect(result.status == .exited(0))
            #expect(result.output == "slot \(slot) of \(name)\n", "\(result.error)")
            let note = "Slot \(slot) of 2 of \"\(name)\" is held by a pglock around this one"
            let notes = result.error.split(separator: "\n").filter { $0.contains(note) }
            #expect(notes.count == 2, "\(result.error)")
        }
        try await end(held)
    }

    @Test("a pglock run --slots inside one of the same name takes no second slot, though one is free")
    func nestedTakesNone() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let pglock = LaunchedPglock.path(of: "pglock")
        let outer = try LaunchedPglock(
            ["run", "--slots", "2", name, pglock, "run", "--slots", "2", name, "sh", "-c", "echo up; exec sleep 3600"],
            url: server.url
        )
        try await outer.waitForOutput("up")
        let held = try await holder(2, name, server.url)
        try await end(held, outer)
    }

    @Test("a pglock run --slots inside one of the same name is refused without a command, and told if it has another number of slots")
    func nestedRefused() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let run = ["run", "--slots", "2", name, LaunchedPglock.path(of: "pglock"), "run"]
        for (inner, status, text) in [
            (["--slots", "2", name], 64, "is held by a pglock around this one"),
            (["-w", "600", "--slots", "2", name], 64, "is held by a pglock around this one"),
            (["--slots", "3", name, "echo", "ran"], 78, "has 3 permits here, and 2 for"),
        ] as [([String], Int32, String)] {
            let result = try await LaunchedPglock(run + inner, url: server.url).finish()
            #expect(result.status == .exited(status))
            #expect(result.output.isEmpty)
            #expect(result.error.contains(text), "\(result.error)")
        }
    }

    @Test("a pglock run --slots asks for a slot of its own inside one of another name or with a lock, and where the outer slot is not held")
    func nestedOtherwise() async throws {
        let server = try await SharedServer.get()
        let (name, other) = (SharedServer.freshName(), SharedServer.freshName())
        let pglock = LaunchedPglock.path(of: "pglock")
        let inner = [pglock, "run", "--slots", "1", name, "sh", "-c", "echo slot $PGLOCK_SLOT"]
        for outer in [["run", "--slots", "1", other], ["run", name]] {
            let result = try await LaunchedPglock(outer + inner, url: server.url).finish()
            #expect(result.output == "slot 1\n")
            #expect(result.error.isEmpty, "\(result.error)")
        }
        // As if the slot were that of another server with the same address: this process is an ancestor, and holds nothing.
        let keys = try await LaunchedPglock(["run", "--slots", "1", name, "sh", "-c", "echo $PGLOCK_KEYS"], url: server.url).finish().output
        let entry = try #require(keys.split(separator: "\n").first)
        let lock = entry.prefix(through: try #require(entry.lastIndex(of: "@")))
        let variables = ["PGLOCK_KEYS": "\(lock)\(getpid())p1/1"]
        let result = try await LaunchedPglock(Array(inner.dropFirst()), url: server.url, variables: variables).finish()
        #expect(result.output == "slot 1\n")
        #expect(result.error.isEmpty, "\(result.error)")
        let held = try await holder(1, name, server.url)
        let told = try await LaunchedPglock(Array(inner.dropFirst()), url: server.url, variables: variables).finish()
        #expect(told.error.contains("Slot 1 of 1 of \"\(name)\" is held by a pglock around this one"), "\(told.error)")
        try await end(held)
    }

    @Test("another number of slots is told which one the others have, and exits with 78")
    func mismatch() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let held = try await holder(2, name, server.url)
        let told = try await pglock("run", "--slots", "3", name, "echo", "ran", url: server.url)
        #expect(told.status == .exited(78))
        #expect(told.output.isEmpty)
        #expect(told.error.contains("has 3 permits here, and 2 for"), "\(told.error)")
        try await end(held)
    }

    @Test(
        "what makes no sense is refused before anything is asked of a server",
        arguments: [
            ["--slots", "0"], ["--slots", "1001"], ["--slots", "2", "-s"], ["--slots", "2", "--number"],
            ["--slots", "2", "--once-per", "1h"],
        ]
    )
    func refused(options: [String]) async throws {
        let result = try await LaunchedPglock(["run"] + options + ["7", "echo", "ran"], url: "postgres://nowhere.invalid/").finish()
        #expect(result.status == .exited(64))
        #expect(result.error.contains("--slots"), "\(result.error)")
        #expect(result.output.isEmpty)
    }
}
