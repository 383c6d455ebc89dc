import LockCore
import LockServerModel

/// The hosts of one cluster: the primary, and former primaries that go on without knowing that another server was promoted.
final class SimulatedHosts {
    private(set) var primary: SimulatedServer
    private var former: [SimulatedServer] = []
    private var clocks: [ObjectIdentifier: SimulatedClock] = [:]
    private let numbers = SimulatedNumbers()
    let agenda: Agenda
    let chance: Chance
    let profile: SimulationProfile
    let ledger: Ledger

    init(agenda: Agenda, chance: Chance, profile: SimulationProfile, ledger: Ledger) {
        (self.agenda, self.chance, self.profile, self.ledger) = (agenda, chance, profile, ledger)
        primary = SimulatedServer(agenda: agenda, chance: chance, behavior: profile.behavior, observer: ledger, numbers: numbers)
        clocks[ObjectIdentifier(primary)] = SimulatedClock(chance)
    }

    /// Also those that are stopped.
    var all: [SimulatedServer] { former + [primary] }

    /// Whether a former primary goes on.
    var isSplit: Bool { former.contains { !$0.isStopped } }

    var isFaulty: Bool {
        get { primary.isFaulty }
        set { for server in all { server.isFaulty = newValue } }
    }

    // MARK: Connecting

    /// The hosts are tried in any order until one accepts a session.
    ///
    /// - Parameter timeline: The highest that the process has seen: servers with a lower one are refused.
    func accept(process: Int, seen timeline: UInt32) -> SimulatedServer.Acceptance {
        var failure = Failure(.unreachable, "Connection refused.")
        for server in all.shuffled(by: chance) where !server.isStopped {
            guard server.timeline >= timeline else {
                failure = Failure(.anotherServer, "This server is not the one that was promoted.")
                continue
            }
            let lease = profile.engine.lease
            let silenceLimit = lease.flatMap { clocks[ObjectIdentifier(server)]?.duration(of: $0) }
            switch server.accept(process: process, silenceLimit: silenceLimit) {
            case .accepted(let session): return .accepted(session)
            case .refused(let refusal): failure = refusal
            }
        }
        return .refused(failure)
    }

    /// The highest timeline of the servers that answer a survey, and whether the primary is among them.
    func survey() -> (timeline: UInt32?, isOfPrimary: Bool) {
        let answering = all.filter(\.isAnswering)
        return (answering.last?.timeline, answering.last === primary)
    }

    // MARK: Faults

    /// Another server is promoted. The primary of before goes on, until the third one after it is promoted.
    func promoteAnother() {
        ledger.splits += 1
        let behavior = profile.behavior
        let successor = SimulatedServer(agenda: agenda, chance: chance, behavior: behavior, observer: ledger, numbers: numbers)
        clocks[ObjectIdentifier(successor)] = SimulatedClock(chance)
        successor.beginTimeline(after: primary)
        successor.isFaulty = primary.isFaulty
        ledger.history.noteReplaced(primary, at: agenda.now)
        former.append(primary)
        primary = successor
        for server in former.dropLast(2) { server.stop() }
    }

    func stopFormer() {
        for server in former { server.stop() }
    }

    func randomSession() -> SimulatedSession? {
        let servers = all.filter { !$0.sessions.isEmpty }
        return servers.isEmpty ? nil : chance.one(of: servers).randomSession()
    }

    // MARK: Looking in

    var lockedKeys: [AdvisoryKey] { all.flatMap(\.lockedKeys) }

    /// Whether any session held it at some time since then.
    func wasTaken(_ key: AdvisoryKey, since: Instant) -> Bool {
        all.contains { !$0.holders(of: key).isEmpty } || ledger.history.wasTaken(key, since: since)
    }

    /// Since when no session of the primary has it or waits for it.
    func freeSince(_ key: AdvisoryKey) -> Instant? {
        primary.isFree(key) ? ledger.history.freed(key, on: primary) : nil
    }
}

extension [SimulatedServer] {
    /// Nothing is drawn if there is no choice.
    fileprivate func shuffled(by chance: Chance) -> Self {
        count > 1 && chance.happens(0.5) ? reversed() : self
    }
}
