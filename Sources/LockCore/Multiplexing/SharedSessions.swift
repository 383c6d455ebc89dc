/// What is still to be sent on the shared sessions, for all calls: many keys in one statement, and one round of statements in flight while
/// the next one fills.
///
/// Tries, cancel requests and questions can go over any shared session. A lock is released on the session that holds it.
struct SharedSessions: Sendable {
    typealias Work = Engine.Work

    private struct Member: Sendable {
        let id: ConnectionID
        /// What is to be released there.
        var unlocks = PendingKeys(.unlock)
        /// Keys whose try has failed with an error, until the unlock that verifies them is answered.
        var verifications: [AdvisoryKey: Failure] = [:]
        var transaction: BatchTransaction?
        /// Whether an aborted transaction has kept statements from being carried out that the next round repeats.
        var hasAborted = false

        var isQuiet: Bool { unlocks.isEmpty && verifications.isEmpty }
    }

    /// In the order in which they were opened.
    private var members: [Member] = []
    private var tries = PendingKeys(.tryLock)
    /// Tries of which each takes some of its keys.
    private var choiceTries: [LockTable.ChoiceTry] = []
    /// The sessions whose wait or statement is to be cancelled.
    private var cancels: [ConnectionID] = []
    /// The sessions that are to be asked about, and whether a deadline is the only reason.
    private var activityQuestions: [(target: ConnectionID, forDeadline: Bool)] = []

    // MARK: The sessions

    var count: Int { members.count }
    var isEmpty: Bool { members.isEmpty }
    var slots: Range<Int> { members.indices }
    subscript(slot: Int) -> ConnectionID { members[slot].id }

    func contains(_ id: ConnectionID) -> Bool { index(of: id) != nil }

    mutating func insert(_ id: ConnectionID) { members.append(Member(id: id)) }

    /// - Returns: The keys that were not verified, with the failures of their tries. They are lost with the session.
    @discardableResult
    mutating func remove(_ id: ConnectionID) -> [(key: AdvisoryKey, failure: Failure)] {
        guard let index = index(of: id) else { return [] }
        return members.remove(at: index).verifications.map { ($0.key, $0.value) }.sorted { $0.key < $1.key }
    }

    /// Whether nothing is to be released or verified there, and no transaction is open.
    func isUnused(_ id: ConnectionID) -> Bool {
        index(of: id).map { members[$0].isQuiet && members[$0].transaction == nil } ?? false
    }

    // MARK: What is to be sent

    /// Nothing is to be tried, released or verified.
    var isQuiet: Bool { !hasTries && members.allSatisfy(\.isQuiet) }
    /// Whether there is something that any session can do.
    var hasWork: Bool { hasTries || hasCancels || hasActivityQuestions }
    var hasTries: Bool { !tries.isEmpty || !choiceTries.isEmpty }
    var hasCancels: Bool { !cancels.isEmpty }
    var hasActivityQuestions: Bool { !activityQuestions.isEmpty }
    var tryCount: Int { tries.count }

    func unlockCount(at slot: Int) -> Int { members[slot].unlocks.count }

    /// Whether one key is to be tried or released there, outside of a transaction, and there is nothing else to be sent.
    func isOneKeyPending(at slot: Int) -> Bool {
        tries.count + members[slot].unlocks.count == 1 && choiceTries.isEmpty && members[slot].verifications.isEmpty
            && members[slot].transaction == nil
            && !hasCancels && !hasActivityQuestions
    }

    func unlockCount(on id: ConnectionID) -> Int { index(of: id).map { members[$0].unlocks.count } ?? 0 }

    mutating func appendTry(_ key: AdvisoryKey, _ mode: Mode) { tries.append(key, mode) }

    mutating func append(_ tries: [LockTable.ChoiceTry]) { choiceTries += tries }

    /// - Returns: Whether it is a shared session.
    mutating func appendUnlock(_ key: AdvisoryKey, _ mode: Mode, on id: ConnectionID) -> Bool {
        guard let index = index(of: id) else { return false }
        members[index].unlocks.append(key, mode)
        return true
    }

    mutating func appendCancel(_ target: ConnectionID) { cancels.append(target) }

    mutating func appendActivityQuestion(_ target: ConnectionID, forDeadline: Bool = false) {
        guard let index = activityQuestions.firstIndex(where: { $0.target == target }) else {
            return activityQuestions.append((target, forDeadline))
        }
        if !forDeadline { activityQuestions[index].forDeadline = false }
    }

    /// A try of these keys has failed before it came to an answer. Their unlock verifies that they are not held.
    mutating func verify(_ keys: some Sequence<AdvisoryKey>, _ mode: Mode, because failure: Failure, on id: ConnectionID) {
        guard let index = index(of: id) else { return }
        for key in keys {
            members[index].verifications[key] = failure
            members[index].unlocks.append(key, mode)
        }
    }

    // MARK: What is taken out

    mutating func takeTries() -> [AdvisoryKey] { tries.takeKeys() }

    mutating func takeChoiceTries() -> [LockTable.ChoiceTry] {
        defer { choiceTries = [] }
        return choiceTries
    }

    mutating func takeNewestTries(_ count: Int) -> [AdvisoryKey] { tries.takeNewest(count) }

    mutating func takeCancels() -> [ConnectionID] {
        defer { cancels.removeAll(keepingCapacity: true) }
        return cancels
    }

    /// - Returns: Whether its cancel was not sent yet.
    mutating func dropCancel(of target: ConnectionID) -> Bool {
        guard let index = cancels.firstIndex(of: target) else { return false }
        cancels.remove(at: index)
        return true
    }

    mutating func takeActivityQuestions() -> [Work] {
        guard hasActivityQuestions else { return [] }
        defer { activityQuestions.removeAll(keepingCapacity: true) }
        return activityQuestions.map { .askActivity($0.target, forDeadline: $0.forDeadline) }
    }

    /// Adds to the next round of a session what it releases, and then what it tries: a try may be for a key that is released.
    ///
    /// - Parameters:
    ///   - withTries: Whether it tries what is to be tried.
    ///   - size: How many keys a statement may have.
    mutating func takeBatches(into round: inout [Work], at slot: Int, withTries: Bool, size: Int) {
        members[slot].unlocks.takeBatches(into: &round, size: size)
        guard withTries else { return }
        tries.takeBatches(into: &round, size: size)
        guard !choiceTries.isEmpty else { return }
        for attempt in takeChoiceTries() { round.append(.tryAny(attempt)) }
    }

    /// Takes out what ``isOneKeyPending(at:)`` says, as a statement.
    ///
    /// - Returns: `nil` if it does not.
    mutating func takeOnlyKey(at slot: Int) -> Engine.Batch? {
        guard isOneKeyPending(at: slot) else { return nil }
        return members[slot].unlocks.takeOnly() ?? tries.takeOnly()
    }

    /// Why a try of the key has failed, if the unlock of the key verifies it. The failure is returned once.
    mutating func takeVerification(_ key: AdvisoryKey, on id: ConnectionID) -> Failure? {
        guard let index = index(of: id), !members[index].verifications.isEmpty else { return nil }
        return members[index].verifications.removeValue(forKey: key)
    }

    // MARK: Transactions around rounds

    /// Puts a round into a transaction, if that is cheaper and the last one was not aborted.
    ///
    /// - Parameter isLarge: Whether the session holds, or has held, so much that each transaction's end takes the server longer than
    ///   the round.
    mutating func frame(_ round: inout [Work], at slot: Int, isLarge: Bool, now: Instant) {
        if members[slot].transaction == nil, isLarge {
            // Outside of a transaction, an error does not abort what comes behind it.
            guard !members[slot].hasAborted else {
                members[slot].hasAborted = false
                return
            }
            members[slot].transaction = BatchTransaction(now: now)
            round.insert(.begin, at: 0)
        }
        members[slot].transaction?.lastUse = now
        guard let transaction = members[slot].transaction, transaction.limit <= now else { return }
        members[slot].transaction = nil
        round.append(.commit)
    }

    /// When the next transaction is ended if it is not used before.
    func nextTransactionEnd(among sessions: SessionTable) -> Instant? {
        var next: Instant?
        for member in members {
            guard let end = member.transaction?.idleEnd, sessions.isFree(member.id) else { continue }
            next = min(next ?? end, end)
        }
        return next
    }

    /// The sessions whose transactions are not used any more.
    func idleTransactions(among sessions: SessionTable, now: Instant) -> [ConnectionID] {
        members.compactMap { member in
            guard let end = member.transaction?.idleEnd, end <= now, sessions.isFree(member.id) else { return nil }
            return member.id
        }
    }

    /// - Returns: Whether there was one.
    mutating func endTransaction(on id: ConnectionID) -> Bool {
        guard let index = index(of: id), members[index].transaction != nil else { return false }
        members[index].transaction = nil
        return true
    }

    /// A statement was not carried out because the transaction was aborted. It is repeated outside of one: where each round has an error,
    /// each would serve one request.
    mutating func noteAborted(on id: ConnectionID) {
        if let index = index(of: id) { members[index].hasAborted = true }
    }

    private func index(of id: ConnectionID) -> Int? { members.firstIndex { $0.id == id } }
}
