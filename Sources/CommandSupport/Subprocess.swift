import Dispatch
package import Foundation
import LibPQ

/// A process that we started.
package final class Subprocess: Sendable {
    /// How a process has ended.
    package enum Ending: Equatable, Sendable {
        case exited(Int32)
        case signalled(Int32)

        /// What a shell makes of it.
        package var status: Int32 {
            switch self {
            case .exited(let status): status
            case .signalled(let signal): ExitStatus.signalled(signal)
            }
        }
    }

    private struct State {
        var ending: Ending?
        var waiters: [CheckedContinuation<Ending, Never>] = []
    }

    package let processIdentifier: pid_t
    private let state = Locked(State())

    /// Starts a program.
    ///
    /// It finds the blocked and ignored signals that we have found, and every descriptor that was handed to us, except for
    /// standard input and output if there are `streams` in their place. A Ctrl-C in the terminal passes it by if it has a
    /// process group of its own.
    package init(
        _ program: Program,
        arguments: [[CChar]],
        environment: [[CChar]],
        streams: (input: Int32, output: Int32)? = nil,
        hasOwnGroup: Bool = false
    ) throws {
        let setup = SpawnSetup(streams: streams, hasOwnGroup: hasOwnGroup)
        defer { setup.destroy() }
        let argumentCopies = arguments.map { strdup($0) } + [nil]
        let environmentCopies = environment.map { strdup($0) } + [nil]
        defer { for copy in argumentCopies + environmentCopies { free(copy) } }
        var identifier: pid_t = 0
        let result = posix_spawn(
            &identifier,
            program.path,
            setup.actions,
            setup.attributes,
            argumentCopies,
            environmentCopies
        )
        guard result == 0 else { throw Self.failure(program, result) }
        processIdentifier = identifier
        // A queue of its own, because it blocks for as long as the process runs.
        DispatchQueue(label: "pglock.wait").async { self.collect() }
    }

    /// Sends a signal, unless the process has ended. It can never hit a stranger that has got the number since.
    package func send(_ signal: Int32) {
        state.withLock { state in
            if state.ending == nil { _ = kill(processIdentifier, signal) }
        }
    }

    /// Waits for the process to end. Not ended by cancellation.
    package func waitForEnd() async -> Ending {
        await withCheckedContinuation { continuation in
            let ending = state.withLock { state in
                if state.ending == nil { state.waiters.append(continuation) }
                return state.ending
            }
            if let ending { continuation.resume(returning: ending) }
        }
    }

    private func collect() {
        // First without taking the status: so long the number stays taken, and signals can be sent to it.
        var information = siginfo_t()
        while waitid(P_PID, id_t(processIdentifier), &information, WEXITED | WNOWAIT) == -1 && errno == EINTR {}
        let (ending, waiters) = state.withLock { state in
            var raw: Int32 = 0
            while waitpid(processIdentifier, &raw, 0) == -1 && errno == EINTR {}
            // WIFEXITED and so on are macros that can't be imported; this is their arithmetic everywhere.
            let signal = raw & 0x7f
            let ending = signal == 0 ? Ending.exited((raw >> 8) & 0xff) : .signalled(signal)
            state.ending = ending
            defer { state.waiters = [] }
            return (ending, state.waiters)
        }
        for waiter in waiters { waiter.resume(returning: ending) }
    }

    private static func failure(_ program: Program, _ number: Int32) -> CommandFailure {
        let path = String(decoding: program.path.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        switch number {
        case ENOENT:
            return CommandFailure(ExitStatus.notFound, "\(path): it, or the interpreter that it names, does not exist.")
        case ENOEXEC:
            return CommandFailure(
                ExitStatus.notExecutable,
                "\(path): the system can't execute it. A script has to begin with #! and its interpreter."
            )
        case EACCES:
            return CommandFailure(ExitStatus.notExecutable, "\(path): it may not be executed.")
        default:
            return CommandFailure(ExitStatus.systemError, SystemError.text("Starting \(path) failed", number))
        }
    }
}
