import LibPQ

/// What the first connection has proved of the server, and every further one has to agree with.
final class ServerChecks: Sendable {
    private struct State {
        var server: ServerIdentity?
        var flushed = FlushedLog()
        /// Since when all hosts answer, and none of them is a primary on the timeline that was seen.
        var olderSince: ContinuousClock.Instant?
        /// The highest timeline of those primaries.
        var older: UInt32?
        /// A timeline that was seen, and does not count any more; to be told to people.
        var forgotten: UInt32?
    }

    /// How far the log of each timeline has been seen to be on the disk of a primary.
    typealias FlushedLog = [UInt32: UInt64]

    private let state = Locked(State())
    /// How long that must be so until the timeline that was seen is forgotten.
    private let forgetAfter: Duration

    init(forgetAfter: Duration) {
        self.forgetAfter = forgetAfter
    }

    /// The server, once a connection has been found fit for locks.
    var known: ServerIdentity? { state.withLock { $0.server } }

    var isChecked: Bool { known != nil }

    /// Whether there is a pooler that passes sessions on as they are.
    let passesOn = Locked(false)

    /// What a primary that is asked from now on can't be behind. (Those that are asked at the same time are told of different places, and
    /// their answers come in no order.)
    var flushed: FlushedLog { state.withLock { $0.flushed } }

    /// Remembers the first server, and refuses others, and those that are behind what was seen.
    ///
    /// - Parameter seen: ``flushed`` as it was before the server was asked.
    func admit(_ identity: ServerIdentity, seenBefore seen: FlushedLog) throws(ConnectionFailure) {
        let failure = state.withLock { state -> ConnectionFailure? in
            if let failure = state.server?.difference(from: identity) {
                if failure.kind == .anotherServer, let server = state.server, server.isOlder(identity) {
                    state.older = max(state.older ?? 0, identity.timeline ?? 0)
                }
                return failure
            }
            if let timeline = identity.timeline, let flushed = identity.flushed {
                if let seen = seen[timeline], flushed < seen { return .behind(timeline, flushed, seen) }
                state.flushed[timeline] = max(state.flushed[timeline] ?? 0, flushed)
            }
            state.server = state.server?.updated(by: identity) ?? identity
            (state.olderSince, state.older) = (nil, nil)
            return nil
        }
        if let failure { throw failure }
    }

    /// Somebody was given a token of this position, or a primary was seen there.
    func note(timeline: UInt32, location: UInt64) {
        state.withLock { state in
            state.flushed[timeline] = max(state.flushed[timeline] ?? 0, location)
        }
    }

    /// A primary of the same cluster, which is not connected to.
    ///
    /// - Returns: Whether it is one.
    func noteSeen(_ identity: ServerIdentity) -> Bool {
        state.withLock { state in
            guard let server = state.server, server.difference(from: identity) == nil else { return false }
            state.server = server.updated(by: identity)
            return true
        }
    }

    /// None of the hosts would do.
    ///
    /// A promotion that is undone leaves a timeline that no server has. It is forgotten once every host has answered, for long
    /// enough, and none of them is a primary on it. While one of them is silent, it may be the right one.
    func noteExhausted(_ failures: [ConnectionFailure]) {
        state.withLock { state in
            let older = state.older
            state.older = nil
            guard let older, failures.allSatisfy({ [.anotherServer, .standby].contains($0.kind) }) else {
                state.olderSince = nil
                return
            }
            let since = state.olderSince ?? .now
            state.olderSince = since
            guard since.duration(to: .now) >= forgetAfter, let server = state.server else { return }
            state.forgotten = server.timeline
            state.server = ServerIdentity(system: server.system, timeline: older, flushed: nil)
            state.olderSince = nil
        }
    }

    /// The timeline that does not count any more, told once.
    func takeForgotten() -> UInt32? {
        state.withLock { state in
            defer { state.forgotten = nil }
            return state.forgotten
        }
    }
}

extension ConnectionFailure {
    fileprivate static func behind(_ timeline: UInt32, _ flushed: UInt64, _ seen: UInt64) -> ConnectionFailure {
        ConnectionFailure(
            .anotherServer,
            """
            This server is behind one that was seen before: on timeline \(timeline) its log ends at \(flushed.asLogPosition), and \
            had been at \(seen.asLogPosition). Two standbys have been promoted that did not know of each other.
            """
        )
    }
}

extension UInt64 {
    /// As PostgreSQL writes places in its log.
    fileprivate var asLogPosition: String {
        "\(String(self >> 32, radix: 16, uppercase: true))/\(String(self & 0xffff_ffff, radix: 16, uppercase: true))"
    }
}
