package import Foundation

/// A process that we started.
///
/// Its status is collected by ``poll()`` and the waits, and by nothing else. Until then it keeps its process id, so
/// ``signal(_:)`` can't reach another process that has got the id since.
package final class ChildProcess: Sendable {
    /// How a process has ended.
    package enum Ending: Equatable, Sendable {
        case exited(Int32)
        case signalled(Int32)
        /// Something else in this process has collected the status, or told the system to drop it.
        case unknown

        /// What a shell makes of it; -1 if it is unknown.
        package var status: Int32 {
            switch self {
            case .exited(let status): status
            case .signalled(let signal): 128 + signal
            case .unknown: -1
            }
        }
    }

    /// Where a standard stream of the child leads.
    package enum Stream: Equatable, Sendable {
        case inherited
        case null
        /// To us: ``write(_:)`` for its input, ``lines`` for its output.
        case pipe
        case descriptor(Int32)
        /// To the end of a file, which is made if need be.
        case file(String)
        /// Where its output leads. For errors.
        case output
    }

    /// What a child has in common with us.
    package enum Surroundings: Sendable {
        /// A session of its own, so that a Ctrl-C in the terminal is for us alone, who then end the child; default signal
        /// handling, since Dispatch's threads block most signals; and none of our descriptors but its standard streams,
        /// since a child that outlives us for a moment must not hold a port or a pipe of ours open.
        case ownSession
        /// The same, but in our session a process group of its own. If the child is stopped when we die, the system ends
        /// it: it sends SIGHUP and SIGCONT to a group that becomes an orphan.
        case ownGroup
        /// Our process group, the signals that we ignore, every descriptor that was handed to us, and these blocked signals.
        case ours(blocked: sigset_t)
    }

    package let processIdentifier: pid_t
    /// What it writes to its output, if that is a pipe, line by line. For one reader.
    package let lines: AsyncStream<String>

    private let statusLock = NSLock()
    /// Under `statusLock`.
    private nonisolated(unsafe) var ending: Ending?
    private let inputLock = NSLock()
    /// Our end of its input, if that is a pipe and open. Under `inputLock`.
    private nonisolated(unsafe) var input: Int32?

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - program: Its path. This, the arguments (of which the first one is the program's name) and the environment are
    ///     null-terminated, as the system takes them.
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
        self.input = inputPipe?.writing
        lines = Self.lines(of: outputPipe?.reading)
    }

    /// Starts a program, by default in a session of its own.
    ///
    /// - Parameters:
    ///   - command: The program's path, and its arguments.
    ///   - directory: Where it works; `nil` for where we do.
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

    deinit {
        closeInput()
    }

    /// How the process has ended, or nil while it runs.
    package func poll() -> Ending? {
        statusLock.withLock {
            if ending == nil { ending = collect() }
            return ending
        }
    }

    /// Sends a signal, unless the process is known to have ended.
    package func signal(_ number: Int32) {
        statusLock.withLock {
            if ending == nil { _ = kill(processIdentifier, number) }
        }
    }

    /// Waits for the process to end. Cancellation does not end the wait.
    package func waitForEnd() async -> Ending {
        if let ending = poll() { return ending }
        return await withCheckedContinuation { continuation in
            // A thread of its own, because it blocks for as long as the process runs.
            Thread.detachNewThread { [self] in
                // The status is left there: while it is, signals can be sent.
                var information = siginfo_t()
                while waitid(P_PID, id_t(processIdentifier), &information, WEXITED | WNOWAIT) == -1 && errno == EINTR {}
                continuation.resume(returning: poll() ?? .unknown)
            }
        }
    }

    /// Waits for the process to end, at most for `limit`, if there is one.
    ///
    /// - Returns: How it has ended, or nil if it still runs after `limit`.
    /// - Throws: `CancellationError` as soon as the task is cancelled; the process is left alone.
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

    /// Writes a line to its input. One that has ended does not read it.
    package func write(_ line: String) {
        inputLock.withLock {
            if let input { _ = Descriptor.write("\(line)\n", to: input) }
        }
    }

    /// Ends its input. So does the end of this process, whatever ended it. Doing it twice is harmless.
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
        if result == -1 { return .unknown }
        // The C macros WIFEXITED and so on can't be imported; this is their arithmetic on every system we run on.
        let signal = raw & 0x7f
        return signal == 0 ? .exited((raw >> 8) & 0xff) : .signalled(signal)
    }

    /// A thread of its own reads, so that a full pipe does not stop the child.
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
