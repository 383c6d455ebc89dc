import LockCore

/// How long it took to make connections, to get them for transactions and explicit sessions, and for how long these had them. Confined to the
/// event loop.
struct ConnectionTimes: Sendable {
    /// The times of one report.
    struct Ended: Sendable {
        fileprivate(set) var creating: [Duration] = []
        fileprivate(set) var waiting: [Duration] = []
        fileprivate(set) var using: [Duration] = []
    }

    /// How many times of each kind are kept for a report. While a backend does not keep up, those beyond are left out.
    static let limit = 10_000

    private var ended = Ended()
    private var connectingSince: [ConnectionID: Instant] = [:]
    private var usedSince: [ConnectionID: Instant] = [:]

    mutating func noteConnecting(_ id: ConnectionID, now: Instant) { connectingSince[id] = now }

    /// The attempt has ended, by a connection or without one.
    mutating func noteConnected(_ id: ConnectionID, _ isConnected: Bool, now: Instant) {
        guard let since = connectingSince.removeValue(forKey: id), isConnected else { return }
        keep(since.duration(to: now), in: \.creating)
    }

    /// A transaction or an explicit session has got the connection.
    mutating func noteCheckedOut(_ id: ConnectionID, afterWaiting wait: Duration, now: Instant) {
        usedSince[id] = now
        keep(wait, in: \.waiting)
    }

    /// The connection was given back, or is lost.
    mutating func noteGivenBack(_ id: ConnectionID, now: Instant) {
        guard let since = usedSince.removeValue(forKey: id) else { return }
        keep(since.duration(to: now), in: \.using)
    }

    /// The times since the last call.
    mutating func takeEnded() -> Ended {
        defer { ended = Ended() }
        return ended
    }

    private mutating func keep(_ time: Duration, in times: WritableKeyPath<Ended, [Duration]>) {
        guard ended[keyPath: times].count < Self.limit else { return }
        ended[keyPath: times].append(time)
    }
}
