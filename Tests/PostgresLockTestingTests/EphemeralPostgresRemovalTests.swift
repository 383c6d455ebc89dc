import ChildProcesses
import Foundation
import Testing

@testable import PostgresLockTesting

@Suite("The removal of a temporary server")
struct EphemeralPostgresRemovalTests {
    @Test("a temporary server can be removed twice, concurrently, and in a cancelled task")
    func removeTwice() async throws {
        let server = try await EphemeralPostgres.start()
        let process = try #require(await server.processIdentifier)
        let removal = Task { await server.remove() }
        removal.cancel()
        await server.remove()
        await removal.value
        #expect(!isRunning(process))
        #expect(!exists(server.socketDirectory))
        await server.remove()
        let error = await #expect(throws: EphemeralPostgresError.self) { try await server.resume() }
        #expect(error?.code == .wrongState)
        #expect(throws: EphemeralPostgresError.self) { try server.serverLog() }
    }

    @Test("a temporary server is removed when its last reference is released")
    func dropped() async throws {
        let (process, folder) = try await startAndDrop()
        try await eventually { !isRunning(process) && !exists(folder) }
    }

    @Test("a temporary server is removed when the body of withServer throws")
    func bodyThrows() async throws {
        struct Mishap: Error {}
        var folder = ""
        await #expect(throws: Mishap.self) {
            try await EphemeralPostgres.withServer { server in
                folder = server.socketDirectory
                throw Mishap()
            }
        }
        #expect(!folder.isEmpty && !exists(folder))
    }

    @Test("a temporary server is removed when the process that started it is killed or exits", arguments: [false, true])
    func processDies(exits: Bool) async throws {
        let temporary = try TemporaryFolder()
        defer { temporary.remove() }
        try temporary.openToAll()
        let holder = try Holder(arguments: exits ? ["--exit"] : [], temporaryFolder: temporary.path)
        try await eventually { holder.report != nil }
        let (process, folder) = try #require(holder.report)
        #expect(folder.hasPrefix(temporary.path))
        if !exits {
            #expect(isRunning(process) && exists(folder))
            holder.process.signal(SIGKILL)
        }
        _ = await holder.process.waitForEnd()
        try await eventually { !isRunning(process) && temporary.isEmpty }
    }

    @Test("a temporary server is removed when the process that starts it is killed during the start", arguments: [30, 300, 900, 1100])
    func processDiesEarly(delay: Int) async throws {
        let temporary = try TemporaryFolder()
        defer { temporary.remove() }
        try temporary.openToAll()
        let holder = try Holder(arguments: [], temporaryFolder: temporary.path)
        try await Task.sleep(for: .milliseconds(delay))
        holder.process.signal(SIGKILL)
        _ = await holder.process.waitForEnd()
        try await eventually { temporary.isEmpty }
        // A server process that is still running would create the folder again.
        try await Task.sleep(for: .milliseconds(300))
        #expect(temporary.isEmpty)
    }

    @Test("signals to the process group of the cleanup process do not end the cleanup process of a temporary server")
    func cleanupSurvives() async throws {
        let folder = try GuardedFolder(account: .current())
        let cleanup = folder.cleanupProcessIdentifier
        #expect(getsid(cleanup) == cleanup)
        // The shell takes a moment to ignore signals. Only Linux shows whether it does.
        #if os(Linux)
            try await eventually { ignores(cleanup, SIGTERM) && ignores(cleanup, SIGPIPE) }
        #else
            try await Task.sleep(for: .seconds(1))
        #endif
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE] { kill(-cleanup, signal) }
        try await Task.sleep(for: .milliseconds(100))
        #expect(isRunning(cleanup))
        await folder.remove()
        #expect(!exists(folder.path))
        #expect(!isRunning(cleanup))
    }

    @Test("a temporary server can be removed after its cleanup process was killed")
    func cleanupKilled() async throws {
        let server = try await EphemeralPostgres.start()
        kill(server.process.folder.cleanupProcessIdentifier, SIGKILL)
        await server.remove()
        #expect(!exists(server.socketDirectory))
    }

    #if os(Linux)
        private func ignores(_ process: pid_t, _ signal: Int32) -> Bool {
            let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
            let masks = status.split(separator: "\n").filter { $0.hasPrefix("SigIgn:") || $0.hasPrefix("SigCgt:") }
            return masks.contains { mask in
                UInt64(mask.dropFirst(7).filter(\.isHexDigit), radix: 16).map { $0 >> UInt64(signal - 1) & 1 == 1 } ?? false
            }
        }
    #endif

    private func startAndDrop() async throws -> (pid_t, String) {
        let server = try await EphemeralPostgres.start()
        return (try #require(await server.processIdentifier), server.socketDirectory)
    }
}

/// Another process, which has started a temporary server.
private struct Holder {
    private let captured: CapturedProcess

    var process: ChildProcess { captured.process }

    init(arguments: [String], temporaryFolder: String) throws {
        var environment = ProcessInfo.processInfo.environment
        environment["TMPDIR"] = temporaryFolder
        captured = try CapturedProcess(
            [buildFolder.appendingPathComponent("EphemeralPostgresHolder").path] + arguments,
            environment: environment
        )
    }

    /// The server's process and folder, once it runs.
    var report: (pid_t, String)? {
        let text = captured.output
        guard text.hasSuffix("\n") else { return nil }
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let process = pid_t(words[0]) else { return nil }
        return (process, String(words[1]))
    }
}
