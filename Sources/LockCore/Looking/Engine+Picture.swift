extension Engine {
    /// What the engine knows at one time, for users who look.
    package struct Picture: Sendable {
        package struct Session: Hashable, Sendable {
            package let id: ConnectionID
            package let role: Role
            /// What it does, in a word or two.
            package let state: String
            /// How many locks a shared session holds.
            package let heldCount: Int
            /// What a waiting session holds or waits for, and what a checked-out session waits for.
            package let key: AdvisoryKey?
        }

        /// A call that waits for a lock.
        package struct Wait: Hashable, Sendable {
            package let call: RequestID
            package let key: AdvisoryKey
            package let mode: Mode
            package let since: Instant
            package let deadline: Instant?
        }

        /// In the order in which they were opened.
        package private(set) var sessions: [Session] = []
        /// In the order of their beginning, which is that of each key's queue.
        package private(set) var waits: [Wait] = []
        package let takenKeys: Int
        /// `nil` for no limit, or if it is not known yet.
        package let keyLimit: Int?
        /// Calls that wait for a session of their own.
        package let waitingCheckOuts: Int
    }
}

extension Engine.Picture {
    package init(of engine: borrowing Engine) {
        takenKeys = engine.keysTaken
        keyLimit = engine.quota.limit
        waitingCheckOuts = engine.checkOuts.count
        for session in engine.sessions.all {
            sessions.append(
                Session(
                    id: session.id,
                    role: session.role,
                    state: session.state.name,
                    heldCount: session.heldCount,
                    key: session.heldKey ?? session.awaitedKey
                )
            )
        }
        for (id, call) in engine.calls.elements {
            guard case .lock(let key) = call.kind, let request = engine.table.request(id) else { continue }
            waits.append(Wait(call: id, key: key, mode: request.mode, since: call.since, deadline: call.deadline))
        }
        waits.sort { ($0.since, $0.call) < ($1.since, $1.call) }
    }
}

extension ServerSession {
    /// The key that a waiting session was granted.
    fileprivate var heldKey: AdvisoryKey? {
        switch state {
        case .holding(let key), .unlocking(let key): key
        case .connecting, .shared, .idle, .waiting, .verifying, .recording, .checkedOut: nil
        }
    }
}
