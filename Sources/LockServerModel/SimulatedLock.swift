package import LockCore

/// One advisory lock as PostgreSQL's lock manager keeps it: holders, and a queue in order of arrival.
package struct SimulatedLock {
    package struct Claim: Equatable {
        package let session: Int
        package let mode: Mode
        /// Whether it ends with the session's transaction.
        package var isOfTransaction = false
    }

    /// One claim for each time that it was granted.
    package private(set) var holders: [Claim] = []
    package private(set) var queue: [Claim] = []

    var isFree: Bool { holders.isEmpty && queue.isEmpty }

    func isHeld(by session: Int) -> Bool {
        holders.contains { $0.session == session }
    }

    /// A session gets a lock that it holds again, past all waiting sessions.
    private func isGrantable(_ claim: Claim, behind earlier: some Sequence<Claim>) -> Bool {
        guard !holders.contains(where: { conflict($0, claim) }) else { return false }
        return isHeld(by: claim.session) || !earlier.contains { conflict($0, claim) }
    }

    private func conflict(_ one: Claim, _ other: Claim) -> Bool {
        one.session != other.session && (one.mode == .exclusive || other.mode == .exclusive)
    }

    /// The sessions that a queued claim waits for.
    func blockers(of claim: Claim) -> [Int] {
        (holders + queue.prefix { $0 != claim }).filter { conflict($0, claim) }.map(\.session)
    }

    mutating func tryLock(_ claim: Claim, passingQueue: Bool) -> Bool {
        guard isGrantable(claim, behind: passingQueue ? [] : queue) else { return false }
        holders.append(claim)
        return true
    }

    /// Returns whether it was granted at once; if not, it is queued.
    mutating func lock(_ claim: Claim) -> Bool {
        guard !tryLock(claim, passingQueue: false) else { return true }
        queue.append(claim)
        return false
    }

    mutating func unlock(_ claim: Claim) -> Bool {
        guard let index = holders.lastIndex(of: claim) else { return false }
        holders.remove(at: index)
        return true
    }

    mutating func leaveQueue(_ session: Int) {
        queue.removeAll { $0.session == session }
    }

    mutating func removeAll(of session: Int) {
        holders.removeAll { $0.session == session }
        leaveQueue(session)
    }

    /// Grants what has become grantable, each past those only whom it does not conflict with.
    mutating func wake() -> [Int] {
        var woken: [Int] = []
        var waiting: [Claim] = []
        for claim in queue {
            if isGrantable(claim, behind: waiting) {
                holders.append(claim)
                woken.append(claim.session)
            } else {
                waiting.append(claim)
            }
        }
        queue = waiting
        return woken
    }
}
