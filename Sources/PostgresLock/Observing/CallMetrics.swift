import CoreMetrics
import LibPQ

/// The metrics of calls under one name. They are recorded on the callers' tasks.
final class CallMetrics: Sendable {
    private struct Series: Hashable {
        let metric: String
        let kind: CallKind
        var outcome: CallOutcome?
        var errorType: String?
    }

    private let target: LockManager.Configuration.Metrics.Target
    private let name: String?
    /// Made when they are needed, since most kinds of calls and most outcomes never come up, and kept, since to make one takes long.
    private let timers = Locked<[Series: Timer]>([:])

    init(_ target: LockManager.Configuration.Metrics.Target, name: String?) {
        self.target = target
        self.name = name
    }

    /// - Parameter error: Why the call has failed, if it has.
    func recordWait(_ nanoseconds: Int64, _ kind: CallKind, _ outcome: CallOutcome, error: (any Error)? = nil) {
        let errorType = outcome == .error ? error.map(LockError.typeName) : nil
        record(nanoseconds, Series(metric: MetricName.wait, kind: kind, outcome: outcome, errorType: errorType))
    }

    func recordHold(_ nanoseconds: Int64, _ kind: CallKind) {
        record(nanoseconds, Series(metric: MetricName.hold, kind: kind))
    }

    func recordHandoff(_ nanoseconds: Int64, _ kind: CallKind) {
        record(nanoseconds, Series(metric: MetricName.handoff, kind: kind))
    }

    private func record(_ nanoseconds: Int64, _ series: Series) {
        let timer = timers.withLock { $0[series] } ?? makeTimer(series)
        timer.recordNanoseconds(max(0, nanoseconds))
    }

    /// The factory is users' code, and is not called under the mutex.
    private func makeTimer(_ series: Series) -> Timer {
        var dimensions = [(MetricName.pool, target.name), (MetricName.kind, series.kind.rawValue)]
        if let outcome = series.outcome { dimensions.append((MetricName.outcome, outcome.rawValue)) }
        if let errorType = series.errorType { dimensions.append((MetricName.errorType, errorType)) }
        if let name { dimensions.append((MetricName.name, name)) }
        let timer = Timer(label: series.metric, dimensions: dimensions, preferredDisplayUnit: .seconds, factory: target.factory)
        return timers.withLock { timers in
            if let known = timers[series] { return known }
            timers[series] = timer
            return timer
        }
    }
}
