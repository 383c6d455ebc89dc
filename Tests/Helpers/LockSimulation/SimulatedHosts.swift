import LockCore

/// The hosts of one cluster: the primary, and former primaries that go on without knowing that another server was promoted.
final class SimulatedHosts {
    private(set) var primary: SimulatedServer
    private var former: [SimulatedServer] = []

    init(_ primary: SimulatedServer) {
        self.primary = primary
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
        for server in all.shuffled(by: primary.chance) where !server.isStopped {
            guard server.timeline >= timeline else {
                failure = Failure(.anotherServer, "This server is not the one that was promoted.")
                continue
            }
            switch server.accept(process: process) {
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
        let successor = primary.makeSuccessor()
        former.append(primary)
        primary = successor
        for server in former.dropLast(2) { server.stop() }
    }

    func stopFormer() {
        for server in former { server.stop() }
    }

    func randomSession() -> SimulatedSession? {
        let servers = all.filter { !$0.sessions.isEmpty }
        return servers.isEmpty ? nil : primary.chance.one(of: servers).randomSession()
    }

    // MARK: Looking in

    var lockedKeys: [AdvisoryKey] { all.flatMap(\.lockedKeys) }

    /// Whether any session held it at some time since then.
    func wasTaken(_ key: AdvisoryKey, since: Instant) -> Bool { all.contains { $0.wasTaken(key, since: since) } }
}

extension [SimulatedServer] {
    /// Nothing is drawn if there is no choice.
    fileprivate func shuffled(by chance: Chance) -> Self {
        count > 1 && chance.happens(0.5) ? reversed() : self
    }
}
