import CLibPQ

/// Runs code that may block for any time on a thread of its own.
///
/// A Dispatch queue would not do: the number of its threads is limited, so calls that are stuck in a name lookup would block further
/// connections.
package enum OwnThread {
    private final class Body {
        let run: @Sendable () -> Void

        let name: StaticString

        init(_ name: StaticString, _ run: @escaping @Sendable () -> Void) {
            (self.name, self.run) = (name, run)
        }
    }

    /// - Parameters:
    ///   - name: At most 15 bytes, for debuggers and profilers.
    ///   - resumesTasks: Whether tasks are resumed on it, for which Dispatch may start threads. They inherit which signals are blocked.
    /// - Returns: Whether the system had a thread left. If not, the body does not run.
    package static func run(name: StaticString = "pglock", resumesTasks: Bool = false, _ body: @escaping @Sendable () -> Void) -> Bool {
        var attributes = pthread_attr_t()
        guard pthread_attr_init(&attributes) == 0 else { return false }
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        // Signals are for the program's own threads, but for those that tell of a fault of the thread itself, or sample it. libpq's cancel
        // requests can raise SIGPIPE.
        var blocked = sigset_t()
        var before = sigset_t()
        sigfillset(&blocked)
        for signal in [SIGILL, SIGTRAP, SIGFPE, SIGBUS, SIGSEGV, SIGSYS, SIGPROF] { sigdelset(&blocked, signal) }
        if resumesTasks { sigdelset(&blocked, SIGPIPE) }
        pthread_sigmask(SIG_BLOCK, &blocked, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let argument = Unmanaged.passRetained(Body(name, body)).toOpaque()
        #if canImport(Darwin)
            var thread: pthread_t?
        #else
            var thread = pthread_t()
        #endif
        let status = pthread_create(&thread, &attributes, { Self.start($0) }, argument)
        guard status == 0 else {
            Unmanaged<Body>.fromOpaque(argument).release()
            return false
        }
        return true
    }

    private static func start(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let argument else { return nil }
        let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
        pglock_name_thread(UnsafeRawPointer(body.name.utf8Start).assumingMemoryBound(to: CChar.self))
        body.run()
        return nil
    }
}
