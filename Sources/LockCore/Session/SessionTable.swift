/// The sessions of the pool, in the order in which they were opened.
///
/// Every change of a session goes through the table. So the table knows when invariants have to be checked and due times computed anew, and
/// no caller has to say so.
struct SessionTable: Sendable {
    private var sessions: [ServerSession] = []
    private var lastID = 0
    /// When the server has last answered, over any session.
    private(set) var heardAt = Instant(nanoseconds: .min)
    /// No session has something to do before; `nil` if that is to be computed.
    private(set) var knownDue: Instant?
    /// The shortest time after which something is due because of a statement on a shared session, in nanoseconds.
    private let leastPause: Int64
    /// Whether any has changed since the invariants were checked.
    private(set) var isChanged = false

    /// - Parameter leastPause: The shortest time after which something is due because of what a shared session is sent, or answers: a
    ///   heartbeat, or the end of a limit.
    init(leastPause: Duration = .zero) {
        self.leastPause = min(leastPause.clampedNanoseconds, .max / 2)
    }

    // MARK: Looking in

    var count: Int { sessions.count }
    /// In the order in which they were opened.
    var all: [ServerSession] { sessions }
    var ids: [ConnectionID] { sessions.map(\.id) }

    subscript(id: ConnectionID) -> ServerSession? {
        index(of: id).map { sessions[$0] }
    }

    /// Reads from a session without a copy of it.
    func read<Result>(_ id: ConnectionID, _ look: (ServerSession) -> Result) -> Result? {
        index(of: id).map { look(sessions[$0]) }
    }

    // By index: an iterator copies each session.

    func count(where isCounted: (ServerSession) -> Bool) -> Int {
        var count = 0
        for index in sessions.indices where isCounted(sessions[index]) { count += 1 }
        return count
    }

    func contains(where isMeant: (ServerSession) -> Bool) -> Bool {
        for index in sessions.indices where isMeant(sessions[index]) { return true }
        return false
    }

    func earliest(_ time: (ServerSession) -> Instant) -> Instant {
        var earliest = Instant.distantFuture
        for index in sessions.indices { earliest = min(earliest, time(sessions[index])) }
        return earliest
    }

    /// The oldest one that fits.
    func first(where isMeant: (ServerSession) -> Bool) -> ConnectionID? {
        for index in sessions.indices where isMeant(sessions[index]) { return sessions[index].id }
        return nil
    }

    /// The only one that fits: `nil` if there are several.
    func only(where isMeant: (ServerSession) -> Bool) -> ConnectionID? {
        guard let id = first(where: isMeant), id == last(where: isMeant) else { return nil }
        return id
    }

    /// The newest one that fits.
    func last(where isMeant: (ServerSession) -> Bool) -> ConnectionID? {
        for index in sessions.indices.reversed() where isMeant(sessions[index]) { return sessions[index].id }
        return nil
    }

    /// The oldest idle one, so that sessions beyond the need become old, and are closed.
    func idle(_ role: Engine.Role) -> ConnectionID? {
        first { $0.role == role && $0.isIdle }
    }

    func connectingCount(_ role: Engine.Role) -> Int { count { $0.role == role && $0.isConnecting } }

    /// Whether it can be sent a round now.
    func isFree(_ id: ConnectionID) -> Bool { read(id) { $0.isFree } ?? false }

    /// Whether a shared session can be sent a round now.
    var isAnySharedFree: Bool { contains { $0.isFree } }

    /// Whether a shared session is connected, free or not.
    var isAnyShared: Bool { contains { $0.isShared } }

    // MARK: Changing

    mutating func open(_ role: Engine.Role) -> ConnectionID {
        lastID += 1
        let id = ConnectionID(lastID)
        sessions.append(ServerSession(id, role))
        noteChange()
        return id
    }

    mutating func remove(_ id: ConnectionID) -> ServerSession? {
        guard let index = index(of: id) else { return nil }
        noteChange()
        return sessions.remove(at: index)
    }

    /// - Returns: `nil` if the session is gone.
    @discardableResult
    mutating func update<Result>(_ id: ConnectionID, _ change: (inout ServerSession) -> Result) -> Result? {
        guard let index = index(of: id) else { return nil }
        noteChange()
        return change(&sessions[index])
    }

    /// Changes a session by what it was sent at that time. There are so many of these changes that due times are not computed anew for each.
    ///
    /// - Returns: `nil` if the session is gone.
    @discardableResult
    mutating func update<Result>(_ id: ConnectionID, sentAt: Instant, _ change: (inout ServerSession) -> Result) -> Result? {
        guard let index = index(of: id) else { return nil }
        noteChange(at: index, sentAt: sentAt)
        return change(&sessions[index])
    }

    /// Its oldest submission is answered.
    ///
    /// - Returns: `nil` if the session is gone, or has nothing in flight.
    mutating func answered(_ id: ConnectionID, now: Instant) -> ServerSession.Submission? {
        guard let index = index(of: id) else { return nil }
        guard let submission = sessions[index].answered(now: now) else {
            noteChange()
            return nil
        }
        noteChange(at: index, sentAt: submission.sentAt)
        return submission
    }

    /// By its last answer a session holds more locks, or fewer. What is due of that is known since ``answered(_:now:)``.
    mutating func noteHeld(_ change: Int, on id: ConnectionID) {
        guard let index = index(of: id) else { return }
        isChanged = true
        sessions[index].noteHeld(change)
    }

    /// What is due of that comes later than before.
    mutating func noteHeard(now: Instant) { heardAt = now }

    private mutating func noteChange() {
        knownDue = nil
        isChanged = true
    }

    /// A shared session has nothing to do before the least pause after what it was sent. So what is known stays true, if it is not later.
    private mutating func noteChange(at index: Int, sentAt: Instant) {
        isChanged = true
        guard sessions[index].isShared else {
            knownDue = nil
            return
        }
        let due = Instant(nanoseconds: sentAt.nanoseconds + leastPause)
        if let known = knownDue, due < known { knownDue = due }
    }

    // MARK: Due times and invariants

    /// When the first session has something to do. The result is kept in ``knownDue``.
    mutating func computeDue(_ configuration: Engine.Configuration) -> Instant {
        let due = due(configuration)
        knownDue = due
        return due
    }

    /// The same without keeping it.
    func due(_ configuration: Engine.Configuration) -> Instant {
        earliest { [heardAt] in $0.due(configuration, heardAt: heardAt) }
    }

    /// The sessions whose state contradicts an invariant, with a description.
    mutating func takeBroken() -> [(id: ConnectionID, what: String)] {
        guard isChanged else { return [] }
        isChanged = false
        var broken: [(id: ConnectionID, what: String)] = []
        for index in sessions.indices {
            sessions[index].checkInvariants()
            if let what = sessions[index].brokenInvariant { broken.append((sessions[index].id, what)) }
        }
        return broken
    }

    /// Numbers ascend, as sessions are appended only.
    private func index(of id: ConnectionID) -> Int? {
        guard sessions.count > 4 else {
            for index in sessions.indices where sessions[index].id == id { return index }
            return nil
        }
        var (low, high) = (0, sessions.count)
        while low < high {
            let middle = (low + high) / 2
            if sessions[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < sessions.count && sessions[low].id == id ? low : nil
    }
}
