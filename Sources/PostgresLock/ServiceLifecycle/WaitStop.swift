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
    }
#endif
