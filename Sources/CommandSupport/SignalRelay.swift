import ChildProcesses
import Dispatch
import Foundation

/// A signal that has arrived.
package struct ReceivedSignal: Equatable, Sendable {
    package let number: Int32
    /// Whether the terminal has sent it. Then every process in the foreground has received it, including the command that pglock runs.
    package var isFromTerminal = false

    package init(number: Int32, isFromTerminal: Bool = false) {
        self.number = number
        self.isFromTerminal = isFromTerminal
    }
}

/// The descriptor to which the handler writes. Safe because it is set before the handler is installed and does not change afterwards.
private nonisolated(unsafe) var relayDescriptor: Int32 = -1

/// Delivers signals as an asynchronous sequence.
///
/// It uses signal handlers instead of Dispatch's sources for two reasons. Only a handler can tell whether the terminal sent the signal.
/// And `exec` resets handlers, while a started command would inherit the ignored signals that Dispatch's sources need.
package struct SignalRelay: Sendable {
    /// The signals that users and systems commonly send to end or notify a process.
    static let relayed = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM]

    /// The received signals. Supports one reader.
    package let signals: AsyncStream<ReceivedSignal>

    /// Handles the signals from now on. At most one relay may be created.
    package init() throws {
        let pipe = try PipeEnds()
        // The handler must not block. The reader may: it occupies a thread as long as the process runs.
        _ = fcntl(pipe.writing, F_SETFL, fcntl(pipe.writing, F_GETFL) | O_NONBLOCK)
        relayDescriptor = pipe.writing
        let (signals, continuation) = AsyncStream<ReceivedSignal>.makeStream()
        self.signals = signals
        DispatchQueue(label: "pglock.signals").async {
            while true {
                // The handler writes two bytes by one call, which a pipe does not split.
                let bytes = Descriptor.read(pipe.reading)
                guard !bytes.isEmpty else { return }
                for start in stride(from: 0, to: bytes.count - 1, by: 2) {
                    continuation.yield(ReceivedSignal(number: Int32(bytes[start]), isFromTerminal: bytes[start + 1] == 1))
                }
            }
        }
        for number in Self.relayed where !Self.isIgnored(number) { Self.installHandler(number) }
        // If SIGCHLD is ignored, the system drops the statuses of children.
        signal(SIGCHLD, SIG_DFL)
    }

    /// Ends this process as the signal would have ended it.
    package static func die(of number: Int32) -> Never {
        signal(number, SIG_DFL)
        var mask = sigset_t()
        sigemptyset(&mask)
        sigaddset(&mask, number)
        pthread_sigmask(SIG_UNBLOCK, &mask, nil)
        raise(number)
        exit(ExitStatus.signalled(number))
    }

    /// Whether this process was started with the signal ignored, for example by `nohup`. It then stays ignored, also in the command.
    package static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        sigaction(number, nil, &action)
        #if canImport(Darwin)
            let handler = action.__sigaction_u.__sa_handler
        #else
            let handler = action.__sigaction_handler.sa_handler
        #endif
        return unsafeBitCast(handler, to: UInt.self) == unsafeBitCast(SIG_IGN, to: UInt.self)
    }

    private static func installHandler(_ number: Int32) {
        // Only functions that POSIX allows in a signal handler are called here.
        let handler: @convention(c) (Int32, UnsafeMutablePointer<siginfo_t>?, UnsafeMutableRawPointer?) -> Void = {
            number,
            information,
            _ in
            let saved = errno
            #if canImport(Darwin)
                let isFromTerminal = information?.pointee.si_pid == 0
            #else
                // The value of SI_KERNEL, which Swift's Glibc module lacks.
                let isFromTerminal = information?.pointee.si_code == 0x80
            #endif
            var record = (UInt8(truncatingIfNeeded: number), UInt8(isFromTerminal ? 1 : 0))
            _ = write(relayDescriptor, &record, 2)
            errno = saved
        }
        var action = sigaction()
        sigfillset(&action.sa_mask)
        #if canImport(Darwin)
            action.sa_flags = SA_SIGINFO | SA_RESTART
            action.__sigaction_u.__sa_sigaction = handler
        #else
            action.sa_flags = Int32(SA_SIGINFO) | Int32(bitPattern: UInt32(SA_RESTART))
            action.__sigaction_handler.sa_sigaction = handler
        #endif
        sigaction(number, &action, nil)
    }
}
