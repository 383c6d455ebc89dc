#if ServiceLifecycleSupport
    import LibPQ

    /// Ends a wait when the graceful shutdown of its service begins, as cancelling the task would.
    ///
    /// A wait consists of several calls, one after the other. The shutdown can begin before the first one, and between two.
    final class WaitStop: Sendable {
        /// That of the wait that this code is a part of.
        @TaskLocal static var current: WaitStop?

        private struct State {
            var isSent = false
            var cancel: (@Sendable () -> Void)?
        }

        private let state = Locked(State())

        /// Whether the shutdown has begun.
        var isSent: Bool { state.withLock { $0.isSent } }

        func send() {
            let cancel = state.withLock { state in
                state.isSent = true
                return state.cancel
            }
            cancel?()
        }

        /// The wait goes on with another call.
        ///
        /// - Parameter cancel: Cancels it. Has no effect on a call that has ended.
        func follow(_ cancel: @escaping @Sendable () -> Void) {
            let isSent = state.withLock { state in
                state.cancel = cancel
                return state.isSent
            }
            if isSent { cancel() }
        }

        /// What has ended a wait that this code is a part of: the shutdown, if the wait was cancelled by it.
        static func reason(of error: any Error) -> any Error {
            guard error is CancellationError, let current, current.isSent, !Task.isCancelled else { return error }
            return LockError(.shutDown, "The service shuts down gracefully.")
        }
    }
#else
    enum WaitStop {
        static func reason(of error: any Error) -> any Error { error }
    }
#endif
