public import CoreMetrics

extension LockManager.Configuration {
    /// Where metrics are recorded. <doc:Observing> lists them.
    ///
    /// Metrics of calls are recorded on the callers' tasks. The others are recorded on a thread of their own, at most twice a second, and
    /// only after something has happened. So a slow backend holds up no lock.
    public struct Metrics: Sendable {
        /// Makes the metrics; `nil` for the factory that `MetricsSystem` has when the manager is made. `NOOPMetricsHandler.instance`
        /// turns metrics off, and without them no clock is read.
        public var factory: (any MetricsFactory)?

        /// The value of the dimension `db.client.connection.pool.name`; `nil` for ``LockManager/Configuration/applicationName``, and
        /// `swift-postgres-lock` if that is `nil`, too. Managers of one process need different names, so that their metrics are kept apart.
        public var name: String?

        /// How long changes are gathered before they are reported.
        package var interval = Duration.milliseconds(500)

        /// The defaults.
        public init() {}
    }
}

extension LockManager.Configuration.Metrics {
    /// A backend that does record metrics.
    struct Target: Sendable {
        let factory: any MetricsFactory
        let name: String
        let interval: Duration
    }

    /// - Returns: `nil` if nothing would be recorded.
    func target(applicationName: String?) -> Target? {
        let factory = factory ?? MetricsSystem.factory
        guard !(factory is NOOPMetricsHandler) else { return nil }
        return Target(factory: factory, name: name ?? applicationName ?? "swift-postgres-lock", interval: interval)
    }
}
