import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What is told of a lease's end.
enum EndObserver: Sendable {
    /// The task of a body, which a loss cancels before anything else is told of it: what wakes up to the loss inside the body is
    /// to find the body cancelled.
    case body(BodyTask)
    /// Told with the loss, if it is one.
    case end(@Sendable (LockError?) -> Void)

    struct BodyTask: Sendable {
        /// Runs the body's cancellation handlers, which are users' code.
        let cancel: @Sendable () -> Void
        let isCancelled: @Sendable () -> Bool

        init<Success, Failure>(_ task: Task<Success, Failure>) {
            cancel = { task.cancel() }
            isCancelled = { task.isCancelled }
        }
    }

    /// Tells it on this thread.
    func tell(_ loss: LockError?) {
        switch self {
        case .body(let task): if loss != nil { task.cancel() }
        case .end(let observer): observer(loss)
        }
    }

    /// Tells those of leases that end together, soon, and on another thread: this may be the event loop's. A body whose
    /// cancellation handlers block keeps no other body from being cancelled.
    static func tell(_ ends: [(observers: [EndObserver], loss: LockError?)]) {
        var bodies: [BodyTask] = []
        for case (let observers, _?) in ends {
            for case .body(let task) in observers { bodies.append(task) }
        }
        let cancellation = Cancellation(bodies)
        let rest: [UserCodeRunner.Piece] = ends.compactMap { observers, loss in
            let told = observers.compactMap { observer in if case .end(let observer) = observer { observer } else { nil } }
            guard !told.isEmpty else { return nil }
            return {
                cancellation.wait()
                for observer in told { observer(loss) }
            }
        }
        UserCodeRunner.shared.run(bodies.map(\.cancel) + rest)
    }

    /// That bodies are cancelled, though their handlers may not have ended yet.
    private final class Cancellation: Sendable {
        private let bodies: [BodyTask]
        private let isComplete: Atomic<Bool>

        init(_ bodies: [BodyTask]) {
            self.bodies = bodies
            isComplete = Atomic(bodies.isEmpty)
        }

        /// All of them have begun to be cancelled when this is called, so it takes no longer than a thread needs to go on.
        func wait() {
            guard !isComplete.load(ordering: .relaxed) else { return }
            for body in bodies {
                for _ in 0..<1000 where !body.isCancelled() { usleep(100) }
            }
            isComplete.store(true, ordering: .relaxed)
        }
    }
}
