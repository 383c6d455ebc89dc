import ChildProcesses
import Foundation

/// Starts and stops the server of one data directory, any number of times.
actor ServerProcess {
    private enum State {
        case stopped
        /// From its start on, before it accepts connections.
        case running(ChildProcess)
        case removed
    }

    nonisolated let folder: GuardedFolder
    nonisolated let log: ServerLog
    private let binaries: PostgresBinaries
    private let account: ServerAccount
    private var configuration: ServerConfiguration
    private(set) var port = 5432
    private var hasRun = false
    private var state = State.stopped

    init(
        folder: GuardedFolder,
        log: ServerLog,
        binaries: PostgresBinaries,
        account: ServerAccount,
        configuration: ServerConfiguration
    ) {
        self.folder = folder
        self.log = log
        self.binaries = binaries
        self.account = account
        self.configuration = configuration
    }

    /// The process id of the running server.
    var processIdentifier: pid_t? {
        if case .running(let child) = state, child.poll() == nil { child.processIdentifier } else { nil }
    }

    /// Starts the server and waits until it accepts connections.
    ///
    /// Two failures are temporary and lead to another attempt: another process has taken the port, or the shared memory of a killed
    /// server is still in use by processes of it that have not ended yet.
    func start() async throws {
        try requireStopped()
        for attemptsLeft in (0..<20).reversed() {
            if configuration.listensOnTCP && !hasRun { port = try findFreePort() }
            try configuration.write(to: folder.dataDirectory, port: port)
            do {
                try await launch()
                hasRun = true
                return
            } catch let error as EphemeralPostgresError where attemptsLeft > 0 && Self.isTemporary(error) {
                try await Task.sleep(for: .milliseconds(100))
                try requireStopped()
            }
        }
    }

    /// Stops the server and starts it with further settings.
    func restart(adding settings: [String: String]) async throws {
        try configuration.merge(settings)
        try await stop(.fast)
        try await start()
    }

    /// Stops the server and waits until it has ended. Does nothing if it isn't running.
    func stop(_ mode: EphemeralPostgres.StopMode) async throws {
        guard case .running(let child) = state else { return }
        child.signal(mode.signal)
        // A server that a test has stopped by SIGSTOP does not handle the signal before it continues.
        if mode == .immediate { child.signal(SIGCONT) }
        if try await child.waitForEnd(within: mode.timeout) == nil {
            guard mode == .immediate else {
                throw EphemeralPostgresError(
                    .stopTimedOut,
                    """
                    The server did not stop within \(mode.timeout ?? .zero), probably because one of its processes is \
                    stopped (SIGSTOP). `stop(mode: .immediate)` ends it in any case.
                    """
                )
            }
            child.signal(SIGKILL)
            _ = await child.waitForEnd()
        }
        markEnded(child)
    }

    /// Stops the server at once and deletes its folder. Operations in progress fail. A second call does nothing.
    func remove() async {
        // The cleanup is in a task of its own, so that it works when the caller's task has been cancelled.
        await Task {
            try? await stop(.immediate)
            state = .removed
            await folder.remove()
        }.value
    }

    private func launch() async throws {
        let start = log.size
        let child = try CommandRunner.start {
            try ChildProcess(
                account.launcher + [binaries.postgres, "-D", folder.dataDirectory],
                environment: CommandRunner.environment,
                directory: folder.path,
                output: .file(log.path),
                error: .output
            )
        }
        state = .running(child)
        do {
            try await waitUntilReady(child, logStart: start)
        } catch {
            if child.poll() == nil {
                // The start was cancelled, or the server did not become ready: stop it.
                _ = await Task { try await stop(.immediate) }.result
            }
            markEnded(child)
            throw error
        }
        guard case .running(let current) = state, current === child else {
            throw EphemeralPostgresError(.startFailed, "The server was stopped while it was starting.")
        }
    }

    private func waitUntilReady(_ child: ChildProcess, logStart: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(180)
        while !isReady(child) {
            let status = child.poll()
            guard status == nil, ContinuousClock.now < deadline else {
                throw EphemeralPostgresError(
                    .startFailed,
                    status.map { "The server ended while starting (\($0)). See its log for the reason." }
                        ?? "The server did not become ready within three minutes. Its log may tell the reason.",
                    serverLogTail: log.tail(from: logStart)
                )
            }
            try await Task.sleep(for: .milliseconds(3))
        }
    }

    /// Whether the server accepts connections: it writes that into line 8 of `postmaster.pid`. Line 1 is the server's process id, which
    /// shows that the file is not that of a server that crashed before.
    private func isReady(_ child: ChildProcess) -> Bool {
        guard let data = FileManager.default.contents(atPath: "\(folder.dataDirectory)/postmaster.pid") else {
            return false
        }
        let lines = String(decoding: data, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 8, lines[0] == "\(child.processIdentifier)" else { return false }
        return ["ready", "standby"].contains(lines[7].trimmingCharacters(in: .whitespaces))
    }

    private func requireStopped() throws {
        switch state {
        case .stopped: return
        case .running(let child) where child.poll() != nil: state = .stopped
        case .running: throw EphemeralPostgresError(.wrongState, "The server is running already.")
        case .removed: throw EphemeralPostgresError(.wrongState, "The server has been removed. Start a new one.")
        }
    }

    /// Records the end of a process, unless another call has recorded it and started the next process meanwhile.
    private func markEnded(_ child: ChildProcess) {
        if case .running(let current) = state, current === child { state = .stopped }
    }

    private static func isTemporary(_ error: EphemeralPostgresError) -> Bool {
        let log = error.serverLogTail ?? ""
        return log.contains("Address already in use") || log.contains("pre-existing shared memory block")
    }
}
