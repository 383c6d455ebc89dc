/// The calls that wait for a session of their own, in order of arrival, and the turns for keys that some of them have meanwhile.
///
/// Every task of a process may have a turn. So a turn that no other task wants costs nothing while it lasts, and of the wanted turns only
/// the one that ends first is looked at.
struct CheckOutQueue: Sendable {
    /// A transaction's turn for a key.
    struct Turn: Sendable {
        /// The request that has it.
        let request: RequestID
        let key: AdvisoryKey
        /// Until when it is kept in any case.
        let until: Instant
    }

    private struct Call: Sendable {
        let noWait: Bool
        let turn: Turn?
        var isTurnWanted = false
    }

    /// How long a turn is kept after other tasks begin to want it.
    private static let timeout = Duration.seconds(1)

    private var queue = WaitQueue<RequestID>()
    private var calls = RequestMap<Call>()
    /// The calls whose turns no other task wants.
    private var unwanted: [AdvisoryKey: Set<RequestID>] = [:]
    /// The ends of the other turns, by their calls.
    private var turnEnds = DeadlineQueue()

    // MARK: Waiting

    var count: Int { calls.count }
    var isEmpty: Bool { calls.isEmpty }
    /// The call that has waited longest.
    var first: RequestID? { mutating get { queue.first } }

    /// Whether the call is one of the first so many: those that get the sessions that are being opened.
    mutating func isAmongFirst(_ count: Int, _ id: RequestID) -> Bool { queue.isAmongFirst(count, id) }

    /// The calls behind the first so many that do not wait for a session to be given back.
    func tries(behind count: Int) -> [RequestID] {
        queue.elements.dropFirst(count).filter { calls[$0]?.noWait == true }
    }

    /// - Parameter noWait: Whether the call does not wait for a session to be given back.
    mutating func append(_ id: RequestID, noWait: Bool = false, turn: Turn? = nil) {
        queue.append(id)
        calls[id] = Call(noWait: noWait, turn: turn)
        if let turn { unwanted[turn.key, default: []].insert(id) }
    }

    mutating func popFirst() -> RequestID? {
        guard let id = first else { return nil }
        remove(id)
        return id
    }

    /// Has no effect on a call that is not in the queue.
    mutating func remove(_ id: RequestID) {
        guard let call = calls.removeValue(id) else { return }
        queue.remove(id)
        if call.isTurnWanted {
            turnEnds.noteEnded { [calls] in calls[$0]?.isTurnWanted == true }
        } else if let key = call.turn?.key {
            unwanted[key]?.remove(id)
            if unwanted[key]?.isEmpty == true { unwanted[key] = nil }
        }
    }

    // MARK: Turns

    /// Whether there is a turn that no other task wants.
    var isAnyTurnUnwanted: Bool { !unwanted.isEmpty }

    /// Another task begins to wait for the key.
    mutating func want(_ key: AdvisoryKey, now: Instant) { want(key, keptUntil: now.advanced(by: Self.timeout)) }

    /// The same, with the turns kept at least until then.
    mutating func want(_ key: AdvisoryKey, keptUntil: Instant) {
        for id in (unwanted.removeValue(forKey: key) ?? []).sorted() {
            guard let turn = calls[id]?.turn else { continue }
            calls.update(id) { $0.isTurnWanted = true }
            turnEnds.insert(id, at: max(turn.until, keptUntil))
        }
    }

    /// When the first turn ends.
    var nextTurnEnd: Instant? {
        mutating get { turnEnds.earliest { [calls] in calls[$0]?.isTurnWanted == true }?.deadline }
    }

    /// A turn whose end has come. It is not returned again before the key is wanted anew.
    mutating func popDueTurn(now: Instant) -> (call: RequestID, request: RequestID)? {
        guard let id = turnEnds.popDue(now: now, isAlive: { [calls] in calls[$0]?.isTurnWanted == true }), let turn = calls[id]?.turn
        else { return nil }
        calls.update(id) { $0.isTurnWanted = false }
        unwanted[turn.key, default: []].insert(id)
        // The queue of ends also counts the entries that were taken out.
        turnEnds.noteEnded { [calls] in calls[$0]?.isTurnWanted == true }
        return (id, turn.request)
    }
}
