import LibPQ

/// What is known of the server from the checks, and what every further connection has to agree with.
final class ServerChecks: Sendable {
    private struct State {
        var server: ServerIdentity?
        var flushed = FlushedLog()
        var passesOn = false
        /// Since when all hosts answer, and none of them is a primary on the timeline that was seen before.
        var olderSince: ContinuousClock.Instant?
        /// The highest timeline of those primaries.
        var older: UInt32?
        /// A timeline that was seen before and does not count any more, until it has been reported.
        var forgotten: UInt32?
        /// Which start of a server is being examined.
        var examined: String?
        /// Whether the examination has failed since the server was last found fit for locks.
        var isDoubtful = false
    }

    /// Up to where the log of each timeline was seen on the disk of a primary.
    typealias FlushedLog = [UInt32: UInt64]

    private let state = Locked(State())
    /// For how long all hosts must answer so until the timeline is forgotten.
    private let forgetAfter: Duration

    init(forgetAfter: Duration) {
        self.forgetAfter = forgetAfter
    }

    /// The server, once a connection has been found fit for locks.
    var known: ServerIdentity? { state.withLock { $0.server } }

    var isChecked: Bool { state.withLock { $0.server != nil && !$0.isDoubtful } }

    /// Whether there is a pooler that passes sessions on as they are.
    var passesOn: Bool { state.withLock { $0.passesOn } }

    func notePassedOn() { state.withLock { $0.passesOn = true } }

    /// The locations that a primary which is asked from now on must have reached. (Answers of sessions that are asked at the same time differ, and
    /// come in any order.)
    var flushed: FlushedLog { state.withLock { $0.flushed } }

    /// Remembers the first server; refuses others, and servers whose log ends before a location that was seen.
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

    /// Whether the server has to be examined once more, since it was not started when the known one was.
    ///
    /// Either the server was restarted, or connections lead to several servers with copies of the same data, whose locks do not exclude each other.
    /// (A promotion is told by the timeline.) Attempts that are made at the same time leave the examination to the first one, which ends it by
    /// ``endExamination(of:hasFailed:)``.
    func beginExamination(of identity: ServerIdentity) -> Bool {
        state.withLock { state in
            guard let known = state.server, let was = known.started, let started = identity.started, started != was,
                identity.timeline == known.timeline, known.difference(from: identity) == nil, state.examined != started
            else { return false }
            state.examined = started
            return true
        }
    }

    /// Ends an examination that ``beginExamination(of:)`` asked for. After a failed one each connection is examined, until one is fit.
    func endExamination(of identity: ServerIdentity, hasFailed: Bool) {
        state.withLock { state in
            if state.examined == identity.started { state.examined = nil }
            if hasFailed { state.isDoubtful = true }
        }
    }

    /// A connection has passed all checks.
    func noteFit() { state.withLock { $0.isDoubtful = false } }

    /// A fencing token with this position was given out.
    func note(timeline: UInt32, location: UInt64) {
        state.withLock { state in
            state.flushed[timeline] = max(state.flushed[timeline] ?? 0, location)
        }
    }

    /// Notes a primary that was only asked.
    ///
    /// - Returns: Whether it belongs to the same cluster.
    func noteSeen(_ identity: ServerIdentity) -> Bool {
        state.withLock { state in
            guard let server = state.server, server.difference(from: identity) == nil else { return false }
            state.server = server.updated(by: identity)
            return true
        }
    }

    /// None of the hosts could be used.
    ///
    /// After a promotion was undone, no server has the timeline that was seen. It is forgotten once every host has answered, for long enough, and
    /// none of them is a primary on that timeline. While a host is silent, it may be the one that has it.
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
            state.server = ServerIdentity(system: server.system, timeline: older, flushed: nil, started: server.started)
            state.olderSince = nil
        }
    }

    /// The timeline that does not count any more; returned once.
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
            This server is behind one that was seen before: on timeline \(timeline) its log ends at \(flushed.logLocation), and had been at \
            \(seen.logLocation). Two standbys were promoted independently of each other.
            """
        )
    }
}
