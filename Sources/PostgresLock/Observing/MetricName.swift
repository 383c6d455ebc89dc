/// The names of metrics and of their dimensions.
enum MetricName {
    // Those of OpenTelemetry.
    static let connectionCount = "db.client.connection.count"
    static let connectionMaximum = "db.client.connection.max"
    static let pendingRequests = "db.client.connection.pending_requests"
    static let createTime = "db.client.connection.create_time"
    static let waitTime = "db.client.connection.wait_time"
    static let useTime = "db.client.connection.use_time"
    static let timeouts = "db.client.connection.timeouts"
    static let pool = "db.client.connection.pool.name"
    static let connectionState = "db.client.connection.state"
    static let errorType = "error.type"

    // This library's.
    static let wait = "pglock.wait.duration"
    static let hold = "pglock.hold.duration"
    static let handoff = "pglock.handoff.duration"
    static let held = "pglock.locks.held"
    static let waiting = "pglock.calls.waiting"
    static let losses = "pglock.locks.lost"
    static let polls = "pglock.polls"
    static let capacityUsed = "pglock.capacity.used"
    static let capacityLimit = "pglock.capacity.limit"
    static let connectFailures = "pglock.connect.failures"
    static let releaseFailures = "pglock.release.failures"
    static let renewedWaits = "pglock.wait.renewals"
    static let verifications = "pglock.verifications"
    static let kind = "pglock.kind"
    static let outcome = "pglock.outcome"
    static let name = "pglock.name"
    static let reason = "pglock.reason"
    static let wasHeld = "pglock.was_held"
}
