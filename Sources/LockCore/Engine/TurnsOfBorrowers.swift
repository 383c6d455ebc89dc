/// The turns for keys that transactions have while they wait for a connection, and when those are given up that others want.
///
/// Every task of a process may have one. So a turn that no other task wants costs nothing while it lasts, and of the others only
/// the first one is looked at.
struct TurnsOfBorrowers: Sendable {
    private struct Borrower: Sendable {
        /// The request that has the turn.
        let turn: RequestID
        let key: AdvisoryKey
        /// Until when it is kept in any case.
        let until: Instant
        var isWanted = false
    }

    /// By the calls that ask for a connection.
    private var borrowers = RequestMap<Borrower>()
    /// The calls whose turns no other task wants.
    private var unwanted: [AdvisoryKey: Set<RequestID>] = [:]
    /// The other ones.
    private var due = DeadlineQueue()

    var isEmpty: Bool { borrowers.isEmpty }

    mutating func insert(_ call: RequestID, turn: RequestID, key: AdvisoryKey, until: Instant) {
        borrowers[call] = Borrower(turn: turn, key: key, until: until)
        unwanted[key, default: []].insert(call)
    }

    mutating func remove(_ call: RequestID) {
        guard let borrower = borrowers.removeValue(call) else { return }
        if borrower.isWanted {
            due.noteEnded { [borrowers] in borrowers[$0]?.isWanted == true }
        } else {
            forgetUnwanted(call, borrower.key)
        }
    }

    /// Another task waits for the key, whose turns are kept until then at least.
    mutating func want(_ key: AdvisoryKey, keptUntil: Instant) {
        guard let calls = unwanted.removeValue(forKey: key) else { return }
        for call in calls {
            guard let borrower = borrowers[call] else { continue }
            borrowers.update(call) { $0.isWanted = true }
            due.insert(call, at: max(borrower.until, keptUntil))
        }
    }

    /// When the first turn is to be given up.
    mutating func earliest() -> Instant? {
        due.earliest { [borrowers] in borrowers[$0]?.isWanted == true }?.deadline
    }

    /// A turn whose time has come, if others still want it. Nothing is heard of it again before the key is wanted anew.
    mutating func popDue(now: Instant) -> (call: RequestID, turn: RequestID)? {
        guard let call = due.popDue(now: now, isAlive: { [borrowers] in borrowers[$0]?.isWanted == true }),
            let borrower = borrowers[call]
        else { return nil }
        borrowers.update(call) { $0.isWanted = false }
        unwanted[borrower.key, default: []].insert(call)
        // As it counts those whose entries are gone already, too.
        due.noteEnded { [borrowers] in borrowers[$0]?.isWanted == true }
        return (call, borrower.turn)
    }

    private mutating func forgetUnwanted(_ call: RequestID, _ key: AdvisoryKey) {
        unwanted[key]?.remove(call)
        if unwanted[key]?.isEmpty == true { unwanted[key] = nil }
    }
}
