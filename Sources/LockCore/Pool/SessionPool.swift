import DequeModule

/// How many sessions there may be, and of which role.
///
/// The shared session and the fencing session have slots of their own. Waiting and checked-out sessions have the other slots together, and
/// neither role can take all of them, where there is more than one. A closed session counts at the server until its process has ended, and
/// roles, databases and the server have limits of connections: so it keeps its slot until then.
struct SessionPool: Sendable {
    typealias Role = Engine.Role

    /// How another session of a role can be opened.
    enum Slot: Hashable, Sendable {
        case taken
        case free
        /// An idle session changes its role, which is cheaper than another connection, and never needs two slots at the server.
        case converting(ConnectionID)
        /// An idle session has to be closed for it.
        case replacing(ConnectionID)
    }

    private let most: Int
    private let ownShared: Int
    private let ownRecording: Int
    /// What check-outs leave to waits. Without a shared session there are none.
    private let ownWaiting: Int
    /// Closed, and not ended at the server.
    private var ending: Set<ConnectionID> = []
    /// Opened when there is room.
    private var unopened = Deque<(id: ConnectionID, role: Role)>()

    init(_ configuration: Engine.Configuration) {
        most = configuration.maximumConnections
        ownRecording = configuration.isFencing ? 1 : 0
        ownShared = configuration.hasSharedSession ? 1 : 0
        ownWaiting = ownShared
    }

    // MARK: Slots

    func slot(for role: Role, among sessions: SessionTable) -> Slot {
        switch role {
        case .waiting, .checkedOut:
            guard sessions.count(where: { $0.role == role }) < max(1, most - ownShared - ownRecording - ownWaiting) else { return .taken }
            return isFull(sessions) ? exchange(for: role, among: sessions) : .free
        case .shared:
            // A second one replaces one that is silent, and has no slot of its own.
            let isBeyond = sessions.contains { $0.role == .shared }
            let unusedRecording = sessions.contains { $0.role == .fencing } ? 0 : ownRecording
            guard isBeyond, sessions.count + unusedRecording >= most else { return .free }
            return (sessions.idle(.waiting) ?? sessions.idle(.checkedOut)).map { .replacing($0) } ?? .taken
        case .fencing:
            return .free
        }
    }

    /// Whether waits and check-outs have no more than one slot together.
    func hasOnlySlot(among sessions: SessionTable) -> Bool { otherSlots(sessions) <= 1 }

    /// Where waits and check-outs have one slot together, they have it in turn.
    func onlySlot(for role: Role, among sessions: SessionTable) -> Slot {
        guard hasOnlySlot(among: sessions), !sessions.contains(where: { $0.role == role }) else { return .taken }
        return exchange(for: role, among: sessions)
    }

    /// The slots of the roles that have none of their own. The slots of the other roles are kept free for them.
    private func otherSlots(_ sessions: SessionTable) -> Int {
        most - max(ownShared, sessions.count { $0.role == .shared }) - ownRecording
    }

    private func isFull(_ sessions: SessionTable) -> Bool {
        sessions.count { $0.role == .waiting || $0.role == .checkedOut } >= otherSlots(sessions)
    }

    private func exchange(for role: Role, among sessions: SessionTable) -> Slot {
        guard let idle = sessions.idle(role == .waiting ? .checkedOut : .waiting) else { return .taken }
        // A cancel request without an answer can still strike what it runs.
        return sessions.read(idle) { $0.mayBeStruck } == true ? .replacing(idle) : .converting(idle)
    }

    // MARK: Opening and closing

    /// - Parameter count: How many sessions there are, including those that are still to be opened.
    /// - Returns: How many the server may count at present.
    func sessionCount(of count: Int) -> Int { count - unopened.count + ending.count }

    mutating func append(_ id: ConnectionID, _ role: Role) { unopened.append((id, role)) }

    /// The next attempt to connect that can begin.
    mutating func popUnopened(of count: Int) -> (id: ConnectionID, role: Role)? {
        sessionCount(of: count) < most ? unopened.popFirst() : nil
    }

    mutating func close(_ id: ConnectionID) {
        if let index = unopened.firstIndex(where: { $0.id == id }) {
            unopened.remove(at: index)
        } else {
            ending.insert(id)
        }
    }

    /// A closed session has ended at the server, or is not waited for any longer.
    mutating func ended(_ id: ConnectionID) { ending.remove(id) }
}
