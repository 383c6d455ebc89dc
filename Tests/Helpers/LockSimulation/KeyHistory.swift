import LockCore
import LockServerModel

/// When keys were taken and released, and how many locks a fleet of processes has.
struct KeyHistory {
    private let profile: SimulationProfile
    private var freed: [ObjectIdentifier: [AdvisoryKey: Instant]] = [:]
    /// On any server.
    private var lastTaken: [AdvisoryKey: Instant] = [:]
    /// When another server was promoted, of which the server does not know.
    private var replaced: [ObjectIdentifier: Instant] = [:]
    /// When locks were released, in a fleet.
    private var releases: [Instant] = []
    /// How many locks there may be since a process was told of room.
    private var fleetLimit: Int?

    init(_ profile: SimulationProfile) {
        self.profile = profile
    }

    /// - Returns: The violation; `nil` if there is none.
    mutating func note(
        _ key: AdvisoryKey,
        from before: SimulatedLock?,
        to after: SimulatedLock?,
        lockCount: Int,
        on server: SimulatedServer,
        now: Instant
    ) -> String? {
        if let before, !before.holders.isEmpty { lastTaken[key] = now }
        if before != nil, after == nil {
            freed[ObjectIdentifier(server), default: [:]][key] = now
            if profile.isFleet { releases.append(now) }
        }
        // Processes that were told of room may have taken it by now, and the others what they may take without asking.
        guard profile.isFleet, let limit = fleetLimit ?? profile.fleetLimit, lockCount > limit else { return nil }
        return "\(lockCount) locks are held, of \(limit) that the processes together may have"
    }

    mutating func willTell(lockCount: Int, now: Instant) {
        guard let limit = profile.fleetLimit, let keyLimit = profile.keyLimit, lockCount < keyLimit else { return }
        releases.removeAll { $0.duration(to: now) > .milliseconds(3500) }
        fleetLimit = limit + releases.count
    }

    /// Whether any session has released it since then.
    func wasTaken(_ key: AdvisoryKey, since: Instant) -> Bool { lastTaken[key].map { $0 >= since } ?? false }

    /// Since when a key is free on a server, if it is.
    func freed(_ key: AdvisoryKey, on server: SimulatedServer) -> Instant {
        freed[ObjectIdentifier(server)]?[key] ?? Instant(nanoseconds: 0)
    }

    // MARK: Promotions

    mutating func noteReplaced(_ server: SimulatedServer, at now: Instant) { replaced[ObjectIdentifier(server)] = now }

    func replacedAt(_ server: SimulatedServer) -> Instant? { replaced[ObjectIdentifier(server)] }
}
