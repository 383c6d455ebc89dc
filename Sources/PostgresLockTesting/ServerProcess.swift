import ChildProcesses
import Foundation

/// Starts and stops one server, over and over, on one data directory.
actor ServerProcess {
    private enum State {
        case stopped
        case starting(ChildProcess)
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
        switch state {
        case .starting(let child), .running(let child): child.poll() == nil ? child.processIdentifier : nil
        case .stopped, .removed: nil
        }
    }

    /// Starts the server and waits until it answers.
    ///
    /// What passes by itself is tried again: a port that somebody took meanwhile, and the shared memory of a server
    /// that was killed and whose last processes are about to notice.
    func start() async throws {
        try requireStopped()
        for attemptsLeft in (0..<20).reversed() {
            if configuration.listensOnTCP && !hasRun { port = try findFreePort() }
            try configuration.write(to: folder.dataDirectory, port: port)
            do {
                try await launch()
                hasRun = true
                return
            } catch let error as EphemeralPostgresError where attemptsLeft > 0 && Self.mayPass(error) {
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
        let child: ChildProcess
        switch state {
        case .stopped, .removed: return
        case .starting(let process), .running(let process): child = process
        }
        child.signal(mode.signal)
        // A server that a test has frozen would sleep through its own end.
        if mode == .immediate { child.signal(SIGCONT) }
        if try await child.waitForEnd(within: mode.timeout) == nil {
            guard mode == .immediate else {
                throw EphemeralPostgresError(
                    .stopTimedOut,
                    """
                    The server did not stop within \(mode.timeout ?? .zero), probably because one of its processes is \
                    frozen. `stop(mode: .immediate)` ends it all the same.
                    """
                )
            }
            child.signal(SIGKILL)
            _ = await child.waitForEnd()
        }
        markEnded(child)
    }

    /// Stops the server at once and deletes its folder. What is under way fails. Doing it twice is harmless.
    func remove() async {
        // A task of its own: cleaning up must work in a task that has been cancelled.
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
        state = .starting(child)
        do {
            try await waitUntilReady(child, logStart: start)
        } catch {
            if child.poll() == nil {
                // Cancelled, or never ready: don't leave it half started.
                _ = await Task { try await stop(.immediate) }.result
            }
            markEnded(child)
            throw error
        }
        guard case .starting(let current) = state, current === child else {
            throw EphemeralPostgresError(.startFailed, "The server was stopped while it was starting.")
        }
        state = .running(child)
    }

    private func waitUntilReady(_ child: ChildProcess, logStart: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(180)
        while !isReady(child) {
            let status = child.poll()
            guard status == nil, ContinuousClock.now < deadline else {
                throw EphemeralPostgresError(
                    .startFailed,
                    status.map { "The server ended while starting (\($0)). Its log says why." }
                        ?? "The server did not become ready within three minutes. Its log may say why.",
                    serverLogTail: log.tail(from: logStart)
                )
            }
            try await Task.sleep(for: .milliseconds(3))
        }
    }

    /// The server notes in line 8 of postmaster.pid when it accepts connections, and in line 1 who it is: the file may
    /// still be the one of a server that crashed.
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
        case .starting, .running: throw EphemeralPostgresError(.wrongState, "The server is running already.")
        case .removed: throw EphemeralPostgresError(.wrongState, "The server has been removed. Start a new one.")
        }
    }

    /// While we waited, somebody else may have noticed the end and started the next one.
    private func markEnded(_ child: ChildProcess) {
        switch state {
        case .starting(let current) where current === child, .running(let current) where current === child:
            state = .stopped
        default: return
        }
    }

    private static func mayPass(_ error: EphemeralPostgresError) -> Bool {
        let log = error.serverLogTail ?? ""
        return log.contains("Address already in use") || log.contains("pre-existing shared memory block")
    }
}
