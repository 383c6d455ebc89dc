import ChildProcesses
import Foundation
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("pglock top on a terminal")
struct TopTerminalTests {
    private static let opening = "\u{1B}[?1049h"
    private static let closing = "\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"

    /// Starts it, and waits for its first screen. It looks once only: what is drawn afterwards is drawn for another reason.
    private static func start(on terminal: PseudoTerminal, _ launcher: [String]) async throws -> LaunchedPglock {
        try terminal.resize(.init(columns: 80, rows: 24))
        let server = try await SharedServer.get()
        let top = try LaunchedPglock(
            ["top", "--interval", "3600"],
            url: server.url,
            variables: ["TERM": "xterm"],
            launcher: launcher
        )
        try await eventually { !terminal.screen().isEmpty }
        return top
    }

    /// Expects that it ends, and leaves the terminal as it was. It was started by a shell that watches.
    ///
    /// - Returns: How the shell has ended, which has the status of the command.
    private static func expectRestored(_ terminal: PseudoTerminal, by top: LaunchedPglock) async throws -> ChildProcess.Ending {
        try await top.waitForOutput("settings: ")
        #expect(top.error.contains("settings: same"))
        try await eventually { terminal.output().hasSuffix(closing) }
        terminal.press(UInt8(ascii: "\n"))
        return try await top.finish().status
    }

    @Test(
        "q, Ctrl-C, and Ctrl-C while a filter is typed quit, and leave the terminal as it was",
        arguments: [[113], [3], [47, 102, 3]] as [[UInt8]]
    )
    func keys(_ keys: [UInt8]) async throws {
        let terminal = try PseudoTerminal()
        let before = try terminal.flags()
        let top = try await Self.start(on: terminal, terminal.watchingLauncher)
        #expect(terminal.output().hasPrefix(Self.opening))
        #expect(try terminal.flags() != before)
        for key in keys { terminal.press(key) }
        #expect(try await Self.expectRestored(terminal, by: top) == .exited(0))
    }

    @Test("a signal ends it, and the terminal is as it was", arguments: [SIGHUP, SIGINT, SIGQUIT, SIGTERM])
    func signals(_ number: Int32) async throws {
        let terminal = try PseudoTerminal()
        let before = try terminal.flags()
        let top = try await Self.start(on: terminal, terminal.watchingLauncher)
        #expect(try terminal.flags() != before)
        kill(-top.process.processIdentifier, number)
        #expect(try await Self.expectRestored(terminal, by: top) == .exited(128 + number))
    }

    @Test("a signal ends it while a look has no answer, and the terminal is as it was")
    func duringLook() async throws {
        try await EphemeralPostgres.withServer { server in
            let terminal = try PseudoTerminal()
            let top = try LaunchedPglock(
                ["top", "--interval", "0.1"],
                url: server.connectionURL(),
                variables: ["TERM": "xterm", "PGAPPNAME": "top"],
                launcher: terminal.watchingLauncher
            )
            try await eventually { !terminal.screen().isEmpty }
            // The next look waits for this session.
            let blocking = Task {
                try await server.query("BEGIN; LOCK TABLE pg_catalog.pg_locks IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)")
            }
            try await eventually {
                _ = terminal.output()
                let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'top' AND wait_event_type = 'Lock'"
                return try await server.query(waits) == [["1"]]
            }
            kill(-top.process.processIdentifier, SIGTERM)
            #expect(try await Self.expectRestored(terminal, by: top) == .exited(128 + SIGTERM))
            blocking.cancel()
            _ = await blocking.result
        }
    }

    @Test("a terminal that hangs up ends it, also where SIGHUP is ignored", arguments: [false, true])
    func hangUp(isIgnored: Bool) async throws {
        let terminal = try PseudoTerminal()
        let top = try await Self.start(on: terminal, terminal.launcher(preparation: isIgnored ? "trap '' HUP" : ":"))
        terminal.hangUp()
        let result = try await top.finish()
        // The system wakes up who reads before it sends the signal, so that a reader may be faster.
        let endings: [ChildProcess.Ending] = isIgnored ? [.exited(0)] : [.signalled(SIGHUP), .exited(0)]
        #expect(endings.contains(result.status), "\(result.status)")
        #expect(result.error.isEmpty)
    }

    @Test("what is drawn follows the terminal's size, at once and without a look")
    func resize() async throws {
        let terminal = try PseudoTerminal()
        let top = try await Self.start(on: terminal, terminal.launcher(preparation: ":"))
        let first = try #require(terminal.screen().first)
        #expect(first.hasPrefix("pglock top") && first.count > 20)
        try terminal.resize(.init(columns: 12, rows: 3))
        try await eventually { terminal.screen().first == String(first.prefix(12)) }
        #expect(terminal.screen().count <= 3)
        #expect(terminal.screen().allSatisfy { $0.count <= 12 }, "\(terminal.screen())")
        try terminal.resize(.init(columns: 132, rows: 50))
        try await eventually { terminal.screen().first?.hasPrefix(first) == true }
        terminal.press(UInt8(ascii: "q"))
        #expect(try await top.finish().status == .exited(0))
    }

    @Test(
        "a terminal of which nothing is known gets plain lines, and keeps its settings",
        arguments: ["unset TERM", "export TERM=", "export TERM=dumb"]
    )
    func plain(preparation: String) async throws {
        let terminal = try PseudoTerminal()
        let before = try terminal.flags()
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let handle = try await server.locks.acquire(LockKey(name)).copyable()
        let other = try LockManager(configuration: .init(url: server.url))
        let waiting = Task { try await other.withLock(LockKey(name), timeout: .seconds(300)) { _ in } }
        try await eventually { try await server.waiters(for: name) == 1 }
        let top = try LaunchedPglock(
            ["top", "--interval", "3600", "--name", name],
            url: server.url,
            launcher: terminal.launcher(preparation: preparation)
        )
        try await eventually { terminal.output().contains(name) }
        #expect(try terminal.flags() == before)
        top.process.signal(SIGTERM)
        #expect(try await top.finish().status == .signalled(SIGTERM))
        #expect(!terminal.output().contains("\u{1B}"), "\(terminal.output().debugDescription)")
        try await handle.release()
        try await waiting.value
        await other.shutdown()
    }
}
