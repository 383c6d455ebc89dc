import LockCore

/// When a manager reports its metrics: once for all that happens within an interval, at the end of a turn of the loop. While nothing
/// happens there are no reports. Confined to the event loop. (A class, since each turn of the loop looks at it, and a copy would take longer than
/// the look.)
final class MetricsReports {
    enum Step: Hashable, Sendable {
        case none
        /// ``isDue`` is to be set after ``ManagerMetrics/interval``.
        case plan
        case report
    }

    let metrics: ManagerMetrics
    /// Whether the end of this turn is when to report.
    var isDue = false
    /// When the lock was released that this turn hands off.
    var handoffAt: Instant?
    var connectionTimes = ConnectionTimes()
    private var isPlanned = false
    private var reported = LockDriver.Counts()

    init(_ metrics: ManagerMetrics) {
        self.metrics = metrics
    }

    func endTurn() -> Step {
        guard isDue else {
            defer { isPlanned = true }
            return isPlanned ? .none : .plan
        }
        isDue = false
        // While a slow backend has not recorded the last report there is no other one.
        isPlanned = !metrics.begin()
        return isPlanned ? .plan : .report
    }

    func report(_ census: Engine.Census, heldLocks: Int, _ counts: LockDriver.Counts, _ losses: [LossReason: Int]) {
        var counts = counts
        counts.polls = census.pollCount
        metrics.record(
            ManagerMetrics.Report(
                census: census,
                heldLocks: heldLocks,
                counts: counts.since(reported),
                losses: losses,
                connectionTimes: connectionTimes.takeEnded()
            )
        )
        reported = counts
    }
}

extension LockDriver {
    /// How often something has happened that is rare.
    struct Counts: Sendable {
        /// After a lock statement has returned an error: how often it had taken the lock all the same.
        var verified = (held: 0, notHeld: 0, unknown: 0)
        var releaseFailures = 0
        /// Of those, how many had a caller that did not wait for the release.
        var unawaitedReleaseFailures = 0
        /// How many waits were cancelled and begun anew, because they held up other sessions.
        var renewedWaits = 0
        var connectFailures = 0
        /// How many transactions and explicit sessions got no connection by their deadline.
        var checkOutTimeouts = 0
        var polls = 0

        mutating func noteVerification(held: Bool?) {
            switch held {
            case true?: verified.held += 1
            case false?: verified.notHeld += 1
            case nil: verified.unknown += 1
            }
        }

        fileprivate func since(_ earlier: Counts) -> Counts {
            var counts = self
            counts.verified.held -= earlier.verified.held
            counts.verified.notHeld -= earlier.verified.notHeld
            counts.verified.unknown -= earlier.verified.unknown
            counts.releaseFailures -= earlier.releaseFailures
            counts.renewedWaits -= earlier.renewedWaits
            counts.connectFailures -= earlier.connectFailures
            counts.checkOutTimeouts -= earlier.checkOutTimeouts
            counts.polls -= earlier.polls
            return counts
        }
    }
}
