import ChildProcesses
import Foundation
import PostgresLock
import Testing

@Suite("The processes of pglock run")
struct RunProcessTests {
    /// Whether a process runs. One that was left to a first process that does not collect statuses stays as a zombie.
    private static func isRunning(_ process: pid_t) -> Bool {
        #if os(Linux)
            guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .isoLatin1),
                let end = text.lastIndex(of: ")")
            else { return false }
            return text[end...].split(separator: " ").dropFirst().first != "Z"
        #else
            return kill(process, 0) == 0
        #endif
    }

    /// The process that has printed "4711 is up".
    private static func processThatIsUp(in run: LaunchedPglock) async throws -> pid_t {
        try await run.waitForOutput("is up")
        return try #require(run.output.split(separator: " ").first.flatMap { pid_t($0) })
    }

    #if os(Linux)
        @Test("a pglock run, or pglock elect, that is killed by SIGKILL takes its command with it", arguments: ["run", "elect"])
        func killed(_ verb: String) async throws {
            let server = try await SharedServer.get()
            let name = SharedServer.freshName()
            let run = try LaunchedPglock([verb, name, "sh", "-c", "echo $$ is up; exec sleep 600"], url: server.url)
            let command = try await Self.processThatIsUp(in: run)
            #expect(Self.isRunning(command))
            run.process.signal(SIGKILL)
            #expect(try await run.finish().status == .signalled(SIGKILL))
            try await eventually { !Self.isRunning(command) }
        }

        @Test("a command outlives the threads that pglock run no longer needs")
        func threads() async throws {
            let server = try await SharedServer.get()
            // Dispatch ends a thread after five seconds without work.
            let run = try LaunchedPglock(["run", SharedServer.freshName(), "sh", "-c", "sleep 8; echo ended"], url: server.url)
            let result = try await run.finish()
            #expect(result.status == .exited(0))
            #expect(result.output == "ended\n")
        }

        @Test("a command is not started any more if its pglock has ended in the meantime")
        func orphanedLauncher() async throws {
            let late = try await pglock("--launch", "\(Int32.max)", "/bin/echo", "echo", "ran")
            #expect(late.status == .exited(1))
            #expect(late.output.isEmpty && late.error.isEmpty)
            let inTime = try await pglock("--launch", "\(getpid())", "/bin/echo", "echo", "ran")
            #expect(inTime.status == .exited(0))
            #expect(inTime.output == "ran\n")
        }

        @Test("a script that the system can't execute is reported with 126")
        func notExecutable() async throws {
            let server = try await SharedServer.get()
            let path = "/tmp/pglock-test-\(UInt64.random(in: .min ... .max))"
            // Another process writes it: what this one has open, the children that other tests start have open as well for a moment, and what
            // is open for writing can't be executed.
            let writing = try CapturedProcess(["/bin/sh", "-c", "echo 'echo ran' > \(path) && chmod 755 \(path)"])
            #expect(try await writing.finish().succeeded)
            defer { unlink(path) }
            let result = try await pglock("run", SharedServer.freshName(), path, url: server.url)
            #expect(result.status == .exited(126))
            #expect(result.output.isEmpty)
            #expect(result.error.hasPrefix("pglock: \(path): the system can't execute it."), "\(result.error)")
        }

        @Test(
            "as the first process of a container, pglock run forwards signals, collects orphans, and has the command's status",
            .enabled("Only root may make such a container.") {
                try await CapturedProcess(["/bin/sh", "-c", "unshare --pid --fork true"]).finish().succeeded
            }
        )
        func firstProcess() async throws {
            let server = try await SharedServer.get()
            let file = "/tmp/pglock-test-\(UInt64.random(in: .min ... .max))"
            defer { unlink(file) }
            // /proc is that of the machine, so it has the orphan's number outside of the container.
            let script = #"""
                trap 'echo heard' USR1; kill -USR1 1
                (sh -c 'read -r process rest </proc/self/stat; echo "orphan $process"' &)
                while [ ! -e "$FILE" ]; do sleep 0.02; done
                exit 7
                """#
            let run = try LaunchedPglock(
                ["run", SharedServer.freshName(), "sh", "-c", script],
                url: server.url,
                variables: ["FILE": file],
                launcher: ["unshare", "--pid", "--fork"]
            )
            try await run.waitForOutput("heard")
            try await eventually { run.output.split(separator: "\n").contains { $0.hasPrefix("orphan ") } }
            let line = try #require(run.output.split(separator: "\n").first { $0.hasPrefix("orphan ") })
            let orphan = try #require(pid_t(line.dropFirst("orphan ".count)))
            try await eventually { !FileManager.default.fileExists(atPath: "/proc/\(orphan)") }
            try "".write(toFile: file, atomically: true, encoding: .utf8)
            #expect(try await run.finish().status == .exited(7))
        }
    #endif

    @Test("with --process-group a signal to pglock run reaches the processes that the command has started")
    func groupSignal() async throws {
        let server = try await SharedServer.get()
        let script = "(trap 'echo heard; exit' TERM; echo up; while :; do sleep 0.02; done) & wait"
        let run = try LaunchedPglock(
            ["run", "--process-group", SharedServer.freshName(), "sh", "-c", script],
            url: server.url
        )
        try await run.waitForOutput("up")
        run.process.signal(SIGTERM)
        #expect(try await run.finish().status == .exited(128 + SIGTERM))
        try await run.waitForOutput("heard")
    }

    @Test("with --process-group the loss of the lock ends the processes that the command has started, also if they ignore SIGTERM")
    func groupLoss() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let script = #"sh -c 'trap "" TERM; echo $$ is up; while :; do sleep 0.02; done' & wait"#
        let run = try LaunchedPglock(["run", "--process-group", name, "sh", "-c", script], url: server.url)
        let grandchild = try await Self.processThatIsUp(in: run)
        #expect(Self.isRunning(grandchild))
        try await server.terminateHolders(of: name)
        #expect(try await run.finish().status == .exited(70))
        try await eventually { !Self.isRunning(grandchild) }
    }

    @Test("with --process-group what the command leaves behind goes on if the lock was held to the end")
    func groupLeftOver() async throws {
        let server = try await SharedServer.get()
        let script = #"sh -c 'echo $$ is up; exec sleep 600' & while :; do sleep 0.02; done"#
        let run = try LaunchedPglock(
            ["run", "--process-group", SharedServer.freshName(), "sh", "-c", script],
            url: server.url
        )
        let grandchild = try await Self.processThatIsUp(in: run)
        defer { kill(grandchild, SIGKILL) }
        let command = getpgid(grandchild)
        #expect(command != getpgid(run.process.processIdentifier))
        kill(command, SIGKILL)
        #expect(try await run.finish().status == .exited(128 + SIGKILL))
        #expect(Self.isRunning(grandchild))
    }
}
