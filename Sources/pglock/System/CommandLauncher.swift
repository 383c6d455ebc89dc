import ChildProcesses
import CommandSupport
import Dispatch
import Foundation

#if os(Linux)
    import CProcessControl
#endif

/// Starts commands such that they don't outlive this process, also if it is killed by SIGKILL. Only Linux can do that.
///
/// A process has to ask for that itself, and `posix_spawn` runs no code of ours in the child. So this program is started once more, asks
/// for it, and replaces itself by the command, which keeps what was asked for. A program with rights of its own (setuid) does not keep it.
enum CommandLauncher {
    #if os(Linux)
        /// The first argument of this program as the launcher. The process that has started it follows, then the command's path and
        /// arguments.
        private static let word = "--launch"
        /// It is the one that runs, also after another one was installed in its place.
        private static let thisProgram = "/proc/self/exe"
    #endif

    /// Starts a command.
    ///
    /// - Parameter arguments: The first one is the program's name. They, and the environment, are null-terminated.
    static func start(
        _ program: Program,
        _ arguments: [[CChar]],
        _ environment: [[CChar]],
        _ surroundings: ChildProcess.Surroundings
    ) throws -> ChildProcess {
        #if os(Linux)
            if access(thisProgram, X_OK) == 0 {
                let launch = ["pglock", word, String(getpid())].map { Array($0.utf8CString) }
                return try startOnLastingThread {
                    try ChildProcess(
                        program: Array(thisProgram.utf8CString),
                        arguments: launch + [program.path] + arguments,
                        environment: environment,
                        surroundings: surroundings
                    )
                }
            }
            StandardError.print("/proc can't be read. So the command will run on if pglock is killed by SIGKILL.")
        #endif
        return try ChildProcess(program: program.path, arguments: arguments, environment: environment, surroundings: surroundings)
    }

    /// If this process was started as the launcher, replaces it by the command.
    static func becomeCommand() {
        #if os(Linux)
            guard CommandLine.argc > 4, let first = CommandLine.unsafeArgv[1], String(cString: first) == word,
                let parent = CommandLine.unsafeArgv[2], let path = CommandLine.unsafeArgv[3]
            else { return }
            guard pglock_set_parent_death_signal(SIGKILL) == 0 else {
                StandardError.print(SystemFailure("Asking for the command's end together with pglock failed", errno).description)
                Foundation.exit(ExitStatus.systemError)
            }
            // If the parent has ended before, the system says nothing more about it.
            guard pid_t(String(cString: parent)) == getppid() else { Foundation.exit(ExitStatus.failure) }
            execv(path, CommandLine.unsafeArgv + 4)
            let reason = errno
            let program = Program(path: Array(UnsafeBufferPointer(start: path, count: strlen(path) + 1)))
            let failure = program.failure(SystemFailure("Starting \(String(cString: path)) failed", reason))
            StandardError.print(failure.message)
            Foundation.exit(failure.status)
        #endif
    }

    #if os(Linux)
        /// Starts a process on a thread that stays until the process has ended: the system takes the end of the thread that has started a
        /// process for the end of its parent.
        private static func startOnLastingThread(_ start: @escaping @Sendable () throws -> ChildProcess) throws -> ChildProcess {
            // Safe because it is read after the semaphore was signalled, and not written any more then.
            nonisolated(unsafe) var result = Result<ChildProcess, any Error>.failure(SystemFailure("Starting a thread failed", EAGAIN))
            let isStarted = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                let outcome = Result { try start() }
                result = outcome
                isStarted.signal()
                if case .success(let process) = outcome { process.blockUntilEnd() }
            }
            isStarted.wait()
            return try result.get()
        }
    #endif
}
