import ChildProcesses
import Foundation
import PostgresLock
import Testing

@Suite("A signal to pglock run")
struct RunSignalTests {
    @Test("pglock run forwards signals to the command", arguments: [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM])
    func forwarded(_ number: Int32) async throws {
        let server = try await SharedServer.get()
        let script = "trap 'exit 42' \(number); echo up; while :; do sleep 0.02; done"
        let run = try LaunchedPglock(["run", SharedServer.freshName(), "sh", "-c", script], url: server.url)
        try await run.waitForOutput("up")
        run.process.signal(number)
        #expect(try await run.finish().status == .exited(42))
    }

    @Test("a signal from the terminal reaches the command once")
    func terminal() async throws {
        let server = try await SharedServer.get()
        let terminal = try PseudoTerminal()
        // Until it is interrupted, however late that is, and then long enough for a second signal to be seen.
        let script = """
            n=-1; trap 'echo interrupted; n=0' INT; echo up
            while [ $n -lt 75 ]; do sleep 0.02; [ $n -lt 0 ] || n=$((n + 1)); done
            """
        let run = try LaunchedPglock(
            ["run", SharedServer.freshName(), "bash", "-c", script],
            url: server.url,
            launcher: terminal.launcher
        )
        try await run.waitForOutput("up")
        terminal.press(3)
        let result = try await run.finish()
        #expect(result.output == "up\ninterrupted\n")
        #expect(result.status == .exited(0))
    }

    @Test("signals that pglock was started to ignore are ignored by the command, too, and no other ones")
    func dispositions() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let script = "trap 'echo heard' HUP; kill -HUP $$; trap - USR1; kill -USR1 $$; echo survived"
        let run = try LaunchedPglock(
            ["run", name, "sh", "-c", script],
            url: server.url,
            launcher: ["/bin/sh", "-c", #"trap '' HUP; exec "$@""#, "sh"]
        )
        let result = try await run.finish()
        #expect(result.output.isEmpty)
        #expect(result.status == .exited(128 + SIGUSR1))
    }

    @Test("a signal ends the wait for the lock, which leaves no lock", arguments: [SIGINT, SIGTERM, SIGHUP])
    func waiting(_ number: Int32) async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let lock = try await server.locks.acquire(LockKey(name))
        let run = try LaunchedPglock(["run", name, "true"], url: server.url)
        try await eventually { try await server.waiters(for: name) == 1 }
        run.process.signal(number)
        let result = try await run.finish()
        #expect(result.status == .signalled(number))
        #expect(result.error.isEmpty)
        try await eventually { try await server.waiters(for: name) == 0 }
        try await lock.release()
        #expect(try await server.isFree(LockKey(name)))
    }

    @Test("SIGINT and SIGTERM end a pglock run without a command with the status 0", arguments: [SIGINT, SIGTERM])
    func holding(_ number: Int32) async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let run = try LaunchedPglock(["run", name], url: server.url)
        try await run.waitForOutput("holding")
        #expect(try await server.holders(of: name) == 1)
        run.process.signal(number)
        let result = try await run.finish()
        #expect(result.status == .exited(0))
        #expect(result.output.isEmpty)
        #expect(result.error.split(separator: "\n").count == 1)
        #expect(try await server.isFree(LockKey(name)))
    }
}
