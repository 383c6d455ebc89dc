import Logging

/// How the calls of a manager, or of a view of it, are observed.
final class Observation: Sendable {
    /// What the caller calls these locks.
    let name: String?
    /// The caller's.
    let logger: Logger?
    /// `nil` if no metrics are recorded.
    let metrics: CallMetrics?
    /// `nil` if no spans are made.
    let tracing: CallTracing?

    init(name: String?, logger: Logger?, metrics: CallMetrics?, tracing: CallTracing?) {
        self.name = name
        self.logger = logger
        self.metrics = metrics
        self.tracing = tracing
    }

    /// Not inlined, because its variables would be part of the memory of each task that waits.
    @inline(never)
    func begin(_ kind: CallKind, _ requests: [LockRequest]) -> ObservedCall {
        ObservedCall(self, kind, requests)
    }
}
