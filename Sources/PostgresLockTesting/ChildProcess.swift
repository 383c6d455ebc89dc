import Foundation
import Synchronization

/// A process that we started.
///
/// Nothing waits for it in the background: whoever needs its end asks ``poll()``. So a process that has ended keeps its
/// process id until it was asked for, and ``signal(_:)`` can never hit a stranger that got the id since.
final class ChildProcess: Sendable {
    enum ExitStatus: Equatable {
        case exited(Int32)
        case signalled(Int32)
        /// It has ended, but somebody else in this process collected its status.
        case unknown
    }

    let processIdentifier: pid_t
    private let status = Mutex<ExitStatus?>(nil)

    private init(processIdentifier: pid_t) {
        self.processIdentifier = processIdentifier
    }

    /// Starts a program.
    ///
    /// It gets a session of its own, so that a Ctrl-C in the terminal ends the tests and not, before they could clean
    /// up, the server; default signal handling, since Dispatch's threads block most signals; and none of our other
    /// files, since a server that outlives us for a moment must not hold a port or a pipe of ours open.
    static func spawn(
        _ command: [String],
        environment: [String: String],
        directory: String,
        input: Int32,
        output: Int32,
        error: Int32
    ) throws -> ChildProcess {
        var attributes = try SpawnAttributes()
        defer { attributes.destroy() }
        var actions = try SpawnFileActions(input: input, output: output, error: error)
        defer { actions.destroy() }

        // `posix_spawn` can't change the folder portably. The shell replaces itself by the program.
        let program = "/bin/sh"
        let wrapped = [program, "-c", #"cd "$0" && exec "$@""#, directory] + command
        let arguments = wrapped.map { strdup($0) } + [nil]
        let variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for string in arguments + variables { free(string) } }

        var processIdentifier: pid_t = 0
        let result = posix_spawn(
            &processIdentifier,
            program,
            &actions.value,
            &attributes.value,
            arguments,
            variables
        )
        guard result == 0 else { throw EphemeralPostgresError.system("Starting \(command.first ?? program) failed", errno: result) }
        return ChildProcess(processIdentifier: processIdentifier)
    }

    /// How the process ended, or nil while it runs.
    func poll() -> ExitStatus? {
        status.withLock { status in
            if status == nil { status = collect() }
            return status
        }
    }

    /// Sends a signal, unless the process is known to have ended.
    func signal(_ number: Int32) {
        status.withLock { status in
            if status == nil { _ = kill(processIdentifier, number) }
        }
    }

    /// Waits for the process to end.
    ///
    /// - Returns: How it ended, or nil if it still runs after `limit`.
    /// - Throws: `CancellationError` as soon as the task is cancelled; the process is left alone.
    func waitForExit(within limit: Duration? = nil) async throws -> ExitStatus? {
        let deadline = limit.map { ContinuousClock.now + $0 }
        var pause = Duration.milliseconds(1)
        while true {
            if let status = poll() { return status }
            if let deadline, ContinuousClock.now >= deadline { return nil }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(8))
        }
    }

    private func collect() -> ExitStatus? {
        var raw: Int32 = 0
        var result = waitpid(processIdentifier, &raw, WNOHANG)
        while result == -1 && errno == EINTR { result = waitpid(processIdentifier, &raw, WNOHANG) }
        if result == 0 { return nil }
        if result == -1 { return .unknown }
        // The C macros WIFEXITED and so on can't be imported; this is their arithmetic on every system we run on.
        let signal = raw & 0x7f
        return signal == 0 ? .exited((raw >> 8) & 0xff) : .signalled(signal)
    }
}
