import ChildProcesses
import CommandSupport
import Foundation

/// pglock as the first process of a container.
///
/// Linux gives the container's orphans to that process, which has to collect their statuses, and ignores signals that it does not handle.
/// So this process does nothing else: it starts pglock once more with the same arguments, forwards signals to it, and ends with it.
enum FirstProcess {
    static var isThisOne: Bool { getpid() == 1 }

    /// - Returns: The status of the second pglock.
    static func run() async throws -> Int32 {
        let relay = try SignalRelay()
        let arguments = (0..<Int(CommandLine.argc)).compactMap { index in
            CommandLine.unsafeArgv[index].map { Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1)) }
        }
        let process = try ChildProcess(
            program: Array("/proc/self/exe".utf8CString),
            arguments: arguments,
            environment: ChildEnvironment.bytes(changing: [:]),
            surroundings: .ours(blocked: SignalMask.inherited)
        )
        // The terminal has sent the signal to the second pglock, too.
        let signals = Task { for await signal in relay.signals where !signal.isFromTerminal { process.signal(signal.number) } }
        defer { signals.cancel() }
        return await withCheckedContinuation { continuation in
            // The wait blocks, so it needs a thread of its own.
            Thread.detachNewThread { continuation.resume(returning: Self.collect(until: process.processIdentifier).status) }
        }
    }

    /// Collects the statuses of orphans until that process has ended.
    private static func collect(until process: pid_t) -> ChildProcess.Ending {
        while true {
            var status: Int32 = 0
            let ended = waitpid(-1, &status, 0)
            if ended == process { return ChildProcess.Ending(waitStatus: status) }
            if ended == -1 && errno != EINTR { return .unknown }
        }
    }
}
