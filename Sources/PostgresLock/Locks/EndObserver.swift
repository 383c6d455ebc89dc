import Dispatch
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What is told of a lock's end, by release or by loss.
enum EndObserver: Sendable {
    /// The task of a body, which a loss cancels before any other observer is told: code in the body that wakes up to the loss finds the
    /// body cancelled.
    case body(BodyTask)
    case end(@Sendable () -> Void)
    /// Told of a request to release, and of the end.
    ///
    /// - Parameter replacesCancellation: Whether a request does not cancel bodies then.
    case request(replacesCancellation: Bool, @Sendable () -> Void)
    /// Reports a loss to users' log handlers and tracers, one after the other. A handler that blocks keeps no body from being cancelled.
    case loss(@Sendable () -> Void)

    private static let reports = DispatchQueue(label: "pglock.reports")

    /// Whether it does what a request asks for in another way than by the cancellation of bodies.
    var replacesCancellation: Bool { if case .request(replacesCancellation: true, _) = self { true } else { false } }

    func isBody(_ body: BodyTask) -> Bool { if case .body(let task) = self { task === body } else { false } }

    /// Tells it on this thread.
    func tell(isLoss: Bool) {
        switch self {
        case .body(let task): if isLoss { task.cancel() }
        case .end(let observer), .request(_, let observer): observer()
        case .loss(let observer): if isLoss { observer() }
        }
    }

    /// Tells the observers of locks that end together, soon, and on another thread, since this one may be the event loop's. A body
    /// whose cancellation handlers block keeps no other body from being cancelled.
    static func tell(_ ends: [(observers: [EndObserver], isLoss: Bool)]) {
        var bodies: [BodyTask] = []
        for case (let observers, true) in ends {
            for case .body(let task) in observers { bodies.append(task) }
        }
        let cancellation = Cancellation(bodies)
        let rest: [UserCodeRunner.Piece] = ends.compactMap { observers, isLoss in
            for case .loss(let report) in observers where isLoss { reports.async(execute: report) }
            let told = observers.compactMap { observer -> (@Sendable () -> Void)? in
                switch observer {
                case .end(let observer), .request(_, let observer): observer
                case .body, .loss: nil
                }
            }
            guard !told.isEmpty else { return nil }
            return {
                cancellation.wait()
                for observer in told { observer() }
            }
        }
        UserCodeRunner.shared.run(bodies.map { body in { body.cancel() } } + rest)
    }

    /// Tells those of a request to release that are concerned, on another thread.
    static func tell(_ observers: [EndObserver], of request: ReleaseRequestState) {
        var pieces: [UserCodeRunner.Piece] = []
        for observer in observers {
            switch observer {
            case .body(let body): if request.cancelsBody { pieces.append { body.cancel() } }
            case .request(_, let observer): pieces.append(observer)
            case .end, .loss: break
            }
        }
        UserCodeRunner.shared.run(pieces)
    }

    /// Waits until bodies are cancelled, though their cancellation handlers may still run.
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
                for _ in 0..<1000 where !body.isCancelled { usleep(100) }
            }
            isComplete.store(true, ordering: .relaxed)
        }
    }
}
