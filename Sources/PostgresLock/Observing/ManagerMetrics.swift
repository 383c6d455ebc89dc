import CoreMetrics
import Dispatch
import LibPQ
import LockCore
import Synchronization

/// The metrics of a manager as a whole. They are recorded on a queue of their own, since handlers are users' code, and may block.
final class ManagerMetrics: Sendable {
    /// What has changed since the last report, and how many there are of what can be counted at any time.
    struct Report: Sendable {
        var census: Engine.Census
        /// All locks, those of transactions and explicit sessions included.
        var heldLocks: Int
        var counts: LockDriver.Counts
        var losses: [LossReason: Int]
        var connectionTimes: ConnectionTimes.Ended
    }

    let interval: Duration
    private let queue = DispatchQueue(label: "pglock.metrics")
    private let meters: Meters
    private let counters: Counters
    private let timers: Timers
    /// Whether a report has not been recorded yet. Until then there is no further one: what has happened since is in the one after that.
    private let isBusy = Atomic(false)

    init(_ target: LockManager.Configuration.Metrics.Target, maximumConnections: Int) {
        interval = target.interval
        meters = Meters(target, maximum: maximumConnections)
        counters = Counters(target)
        timers = Timers(target)
    }

    /// The values of a manager that is gone would stay.
    deinit {
        queue.async { [meters] in meters.clear() }
    }

    /// - Returns: Whether a report can be made now. Called on the event loop, before ``record(_:)``.
    func begin() -> Bool { !isBusy.exchange(true, ordering: .acquiring) }

    func record(_ report: Report) {
        queue.async { [self] in
            meters.record(report)
            counters.record(report)
            timers.record(report.connectionTimes)
            isBusy.store(false, ordering: .releasing)
        }
    }

    /// Waits until what was reported is recorded, at most for `limit`.
    func drain(within limit: Duration = .seconds(1)) async { await queue.drain(within: limit) }

    private struct Meters: Sendable {
        let idle, used, pending, maximumConnections, held, waiting, capacityUsed, capacityLimit: Meter

        private let maximum: Int

        init(_ target: LockManager.Configuration.Metrics.Target, maximum: Int) {
            self.maximum = maximum
            func meter(_ label: String, _ further: (String, String)...) -> Meter {
                Meter(label: label, dimensions: target.dimensions(further), factory: target.factory)
            }
            idle = meter(MetricName.connectionCount, (MetricName.connectionState, "idle"))
            used = meter(MetricName.connectionCount, (MetricName.connectionState, "used"))
            pending = meter(MetricName.pendingRequests)
            maximumConnections = meter(MetricName.connectionMaximum)
            held = meter(MetricName.held)
            waiting = meter(MetricName.waiting)
            capacityUsed = meter(MetricName.capacityUsed)
            capacityLimit = meter(MetricName.capacityLimit)
        }

        func record(_ report: Report) {
            let census = report.census
            idle.set(census.idleSessions)
            used.set(census.usedSessions)
            pending.set(census.pendingRequests)
            maximumConnections.set(maximum)
            held.set(report.heldLocks)
            waiting.set(census.waitingCalls)
            capacityUsed.set(census.takenKeys)
            if let limit = census.keyLimit { capacityLimit.set(limit) }
        }

        func clear() {
            for meter in [idle, used, pending, maximumConnections, held, waiting, capacityUsed, capacityLimit] { meter.set(0) }
        }
    }

    private struct Counters: Sendable {
        let polls, connectFailures, checkOutTimeouts, releaseFailures, renewedWaits, verifiedHeld, verifiedNotHeld, unverified: Counter
        let losses: [LossReason: Counter]

        init(_ target: LockManager.Configuration.Metrics.Target) {
            func counter(_ label: String, _ further: (String, String)...) -> Counter {
                Counter(label: label, dimensions: target.dimensions(further), factory: target.factory)
            }
            polls = counter(MetricName.polls)
            connectFailures = counter(MetricName.connectFailures)
            checkOutTimeouts = counter(MetricName.timeouts)
            releaseFailures = counter(MetricName.releaseFailures)
            renewedWaits = counter(MetricName.renewedWaits)
            verifiedHeld = counter(MetricName.verifications, (MetricName.wasHeld, "true"))
            verifiedNotHeld = counter(MetricName.verifications, (MetricName.wasHeld, "false"))
            unverified = counter(MetricName.verifications, (MetricName.wasHeld, "unknown"))
            losses = Dictionary(
                uniqueKeysWithValues: LossReason.allCases.map { ($0, counter(MetricName.losses, (MetricName.reason, $0.rawValue))) }
            )
        }

        func record(_ report: Report) {
            let counts = report.counts
            for (counter, count) in [
                (polls, counts.polls), (connectFailures, counts.connectFailures), (checkOutTimeouts, counts.checkOutTimeouts),
                (releaseFailures, counts.releaseFailures), (renewedWaits, counts.renewedWaits), (verifiedHeld, counts.verified.held),
                (verifiedNotHeld, counts.verified.notHeld), (unverified, counts.verified.unknown),
            ] where count > 0 {
                counter.increment(by: count)
            }
            for (reason, count) in report.losses { losses[reason]?.increment(by: count) }
        }
    }

    private struct Timers: Sendable {
        let createTime, waitTime, useTime: Timer

        init(_ target: LockManager.Configuration.Metrics.Target) {
            func timer(_ label: String) -> Timer {
                Timer(label: label, dimensions: target.dimensions(), preferredDisplayUnit: .seconds, factory: target.factory)
            }
            createTime = timer(MetricName.createTime)
            waitTime = timer(MetricName.waitTime)
            useTime = timer(MetricName.useTime)
        }

        func record(_ times: ConnectionTimes.Ended) {
            for (timer, times) in [(createTime, times.creating), (waitTime, times.waiting), (useTime, times.using)] {
                for time in times { timer.recordNanoseconds(time.clampedNanoseconds) }
            }
        }
    }
}

extension LockManager.Configuration.Metrics.Target {
    fileprivate func dimensions(_ further: [(String, String)] = []) -> [(String, String)] { [(MetricName.pool, name)] + further }
}
