import CoreMetrics
import LibPQ
import Logging

/// What a manager and its views record, and where to.
final class Telemetry: Sendable {
    /// How many names have metrics of their own, so that a name that is made from data does no harm.
    static let nameLimit = 100

    private let metrics: LockManager.Configuration.Metrics.Target?
    private let tracing: CallTracing?
    private let named = Locked<[String: CallMetrics]>([:])
    private let unnamed: CallMetrics?
    /// The manager's as a whole; `nil` if no metrics are recorded.
    let manager: ManagerMetrics?
    /// The server that was connected to last.
    let server: Locked<ServerAddress?>

    init(_ configuration: LockManager.Configuration) {
        let server = Locked<ServerAddress?>(nil)
        self.server = server
        metrics = configuration.metrics.target(applicationName: configuration.applicationName)
        unnamed = metrics.map { CallMetrics($0, name: nil) }
        manager = metrics.map { ManagerMetrics($0, maximumConnections: configuration.pool.maximumConnections) }
        tracing = CallTracing(configuration, server)
    }

    /// - Returns: `nil` if nothing is to be observed.
    func observation(name: String? = nil, logger: Logger? = nil) -> Observation? {
        guard metrics != nil || tracing != nil || logger != nil else { return nil }
        return Observation(name: name, logger: logger, metrics: callMetrics(name), tracing: tracing)
    }

    private func callMetrics(_ name: String?) -> CallMetrics? {
        guard let metrics, let name else { return unnamed }
        return named.withLock { named in
            if let known = named[name] { return known }
            guard named.count < Self.nameLimit else { return unnamed }
            let new = CallMetrics(metrics, name: name)
            named[name] = new
            return new
        }
    }
}

/// A server, as spans name it.
struct ServerAddress: Sendable {
    /// The database.
    let namespace: String
    let host: String
    let port: Int
}
