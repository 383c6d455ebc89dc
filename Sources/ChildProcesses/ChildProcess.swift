package import Foundation

/// A child process of this process.
///
/// ``poll()`` and the waits collect its status, and so does the end of the last reference. Until then the system does not reuse its
/// process id, so ``signal(_:)`` can't reach another process.
package final class ChildProcess: Sendable {
    /// How a process has ended.
    package enum Ending: Equatable, Sendable {
        case exited(Int32)
        case signalled(Int32)
        /// Other code in this process has collected the status, or told the system to drop it.
        case unknown

        /// Reads a status as `waitpid` stores it.
        package init(waitStatus raw: Int32) {
            // Swift can't import the C macros WIFEXITED and so on; this is their arithmetic on all supported systems.
            let signal = raw & 0x7f
            self = signal == 0 ? .exited((raw >> 8) & 0xff) : .signalled(signal)
        }

        /// The exit status as shells report it; -1 if it is unknown.
        package var status: Int32 {
            switch self {
            case .exited(let status): status
            case .signalled(let signal): 128 + signal
            case .unknown: -1
            }
        }
    }

    /// The other end of a standard stream of the child.
    package enum Stream: Equatable, Sendable {
        case inherited
        case null
        /// A pipe to this process: ``write(_:)`` writes to the child's input, ``lines`` reads its output.
        case pipe
        case descriptor(Int32)
        /// A file, to which the child appends. It is created if it does not exist.
        case file(String)
        /// For standard error: the same as standard output.
        case output
    }

    /// What a child inherits from this process.
    package enum Surroundings: Sendable {
        /// The child gets a session of its own, so that a Ctrl-C in the terminal reaches only this process, which then ends the child. It
        /// gets default signal handling, because Dispatch's threads block most signals. It inherits no descriptors but its standard
        /// streams, because a child that lives a little longer than this process must not keep its ports and pipes open.
        case ownSession
        /// As `ownSession`, but with a process group of its own in this process's session. If the child is stopped when this process
        /// ends, the system ends it: it sends SIGHUP and SIGCONT to a process group that becomes orphaned.
        case ownGroup
        /// The child inherits ignored signals and descriptors, and has these blocked signals. It is in this process's group, or the first
        /// process of a new one, to all processes of which ``ChildProcess/signal(_:)`` then sends.
        case ours(blocked: sigset_t, inNewGroup: Bool = false)
    }

    package let processIdentifier: pid_t
    /// The lines that the child writes to its output, if that is a pipe. Supports one reader.
    package let lines: AsyncStream<String>

    /// Whether signals go to all processes of its group.
    private let isSignalledAsGroup: Bool
    private let statusLock = NSLock()
    /// Protected by `statusLock`.
    private nonisolated(unsafe) var ending: Ending?
    private let inputLock = NSLock()
    /// This process's end of the child's input, if that is a pipe and open. Protected by `inputLock`.
    private nonisolated(unsafe) var input: Int32?

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - program: The program's path. This, the arguments (of which the first one is the program's name) and the environment are
    ///     null-terminated, as the system expects them.
    package init(
        program: [CChar],
        arguments: [[CChar]],
        environment: [[CChar]],
        input: Stream = .inherited,
        output: Stream = .inherited,
        error: Stream = .inherited,
        surroundings: Surroundings
    ) throws(SystemFailure) {
        let inputPipe = try input == .pipe ? PipeEnds() : nil
        defer { inputPipe.map { _ = close($0.reading) } }
        var outputPipe: PipeEnds?
        defer { outputPipe.map { _ = close($0.writing) } }
        do {
            outputPipe = try output == .pipe ? PipeEnds() : nil
            processIdentifier = try SpawnSetup(
                input: inputPipe.map { .descriptor($0.reading) } ?? input,
                output: outputPipe.map { .descriptor($0.writing) } ?? output,
                error: error,
                surroundings: surroundings
            ).start(program, arguments, environment)
        } catch {
            inputPipe.map { _ = close($0.writing) }
            outputPipe.map { _ = close($0.reading) }
            throw error
        }
        isSignalledAsGroup = if case .ours(blocked: _, inNewGroup: true) = surroundings { true } else { false }
        self.input = inputPipe?.writing
        lines = Self.lines(of: outputPipe?.reading)
    }

    /// Starts a program, by default in a session of its own.
    ///
    /// - Parameters:
    ///   - command: The program's path, and its arguments.
    ///   - directory: The child's working folder; `nil` for that of this process.
    package convenience init(
        _ command: [String],
        environment: [String: String] = ProcessInfo.processInfo.environment,
        directory: String? = nil,
        input: Stream = .null,
        output: Stream = .inherited,
        error: Stream = .inherited,
        surroundings: Surroundings = .ownSession
    ) throws(SystemFailure) {
        // `posix_spawn` can't change the folder portably. The shell replaces itself by the program.
        let command = directory.map { ["/bin/sh", "-c", #"cd "$0" && exec "$@""#, $0] + command } ?? command
        try self.init(
            program: Array(command[0].utf8CString),
            arguments: command.map { Array($0.utf8CString) },
            environment: environment.map { Array("\($0.key)=\($0.value)".utf8CString) },
            input: input,
            output: output,
            error: error,
            surroundings: surroundings
        )
    }

    /// Ends its input, and has its status collected as soon as it ends, so that it does not stay a zombie.
    deinit {
        closeInput()
        guard poll() == nil else { return }
        Thread.detachNewThread { [processIdentifier] in
            while waitpid(processIdentifier, nil, 0) == -1 && errno == EINTR {}
        }
    }

    /// How the process has ended, or nil while it runs.
    package func poll() -> Ending? {
        statusLock.withLock {
            if ending == nil { ending = collect() }
            return ending
        }
    }

    /// Sends a signal, unless the process is known to have ended. A group of its own may have other processes until then, and they get the
    /// signal even if this one has ended.
    package func signal(_ number: Int32) {
        statusLock.withLock {
            if ending == nil { _ = kill(isSignalledAsGroup ? -processIdentifier : processIdentifier, number) }
        }
    }

    /// Waits for the process to end. Cancellation does not end the wait.
    package func waitForEnd() async -> Ending {
        if let ending = poll() { return ending }
        await waitForEndUncollected()
        return poll() ?? .unknown
    }

    /// Waits for the process to end, and leaves its status to ``poll()``, so that until then its group can be signalled.
    package func waitForEndUncollected() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            // The wait blocks, so it needs a thread of its own.
            Thread.detachNewThread { [self] in
                blockUntilEnd()
                continuation.resume()
            }
        }
    }

    /// Blocks the thread until the process has ended.
    package func blockUntilEnd() {
        // WNOWAIT leaves the status uncollected: until `poll` collects it, the process id can be signalled.
        var information = siginfo_t()
        while waitid(P_PID, id_t(processIdentifier), &information, WEXITED | WNOWAIT) == -1 && errno == EINTR {}
    }

    /// Waits for the process to end, at most for `limit`, if there is one.
    ///
    /// - Returns: How it has ended, or nil if it still runs after `limit`.
    /// - Throws: `CancellationError` as soon as the task is cancelled; the process keeps running.
    package func waitForEnd(within limit: Duration?) async throws -> Ending? {
        let deadline = limit.map { ContinuousClock.now + $0 }
        var pause = Duration.milliseconds(1)
        while true {
            if let ending = poll() { return ending }
            if let deadline, ContinuousClock.now >= deadline { return nil }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(8))
        }
    }

    /// Writes a line to its input. If the process has ended, the line is lost.
    package func write(_ line: String) {
        inputLock.withLock {
            if let input { _ = Descriptor.write("\(line)\n", to: input) }
        }
    }

    /// Closes its input. The system closes it too when this process ends in any way. A second call does nothing.
    package func closeInput() {
        inputLock.withLock {
            if let open = input { close(open) }
            input = nil
        }
    }

    private func collect() -> Ending? {
        var raw: Int32 = 0
        var result: pid_t
        repeat { result = waitpid(processIdentifier, &raw, WNOHANG) } while result == -1 && errno == EINTR
        if result == 0 { return nil }
        return result == -1 ? .unknown : Ending(waitStatus: raw)
    }

    /// Reads the output on a thread of its own, so that a full pipe does not block the child.
    private static func lines(of output: Int32?) -> AsyncStream<String> {
        let (lines, continuation) = AsyncStream.makeStream(of: String.self)
        guard let output else {
            continuation.finish()
            return lines
        }
        Thread.detachNewThread {
            Descriptor.readLines(output) { continuation.yield($0) }
            close(output)
            continuation.finish()
        }
        return lines
    }
}
