#if ServiceLifecycleSupport
    import LibPQ

    /// Ends a wait when the graceful shutdown of its service begins, as cancelling the task would.
    ///
    /// A wait consists of several calls, one after the other. The shutdown can begin before the first one, and between two.
    final class WaitStop: Sendable {
        /// That of the wait that this code is a part of.
        @TaskLocal static var current: WaitStop?

        /// The codes by which a call that does not wait says that others have what it asks for.
        static let refusals: Set<LockError.Code> = [.timedOut, .poolExhausted]

        private static let stopped = LockError(.shutDown, "The service shuts down gracefully.")

        private struct State {
            var isSent = false
            var cancel: (@Sendable () -> Void)?
        }

        /// Whether the shutdown had begun before the call. Such a call takes what is free, does not wait for anything else, and is not cancelled.
        private let isLate: Bool
        private let state = Locked(State())

        init(isLate: Bool = false) {
            self.isLate = isLate
        }

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
            guard !isLate else { return }
            let isSent = state.withLock { state in
                state.cancel = cancel
                return state.isSent
            }
            if isSent { cancel() }
        }

        /// What has ended a wait that this code is a part of: the shutdown, if it has cancelled the wait, or if the call would have waited
        /// without it.
        static func reason(of error: any Error) -> any Error {
            guard let current else { return error }
            let isStopped =
                current.isLate
                ? (error as? LockError).map { refusals.contains($0.code) } ?? false
                : error is CancellationError && current.isSent && !Task.isCancelled
            return isStopped ? stopped : error
        }

        /// Why a call that does not wait gets nothing, if it would have waited without the shutdown; `nil` otherwise.
        static var reasonOfRefusal: LockError? { current?.isLate == true ? stopped : nil }
    }
#else
    enum WaitStop {
        static func reason(of error: any Error) -> any Error { error }
        static var reasonOfRefusal: LockError? { nil }
    }
#endif
