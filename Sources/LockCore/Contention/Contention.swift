/// The keys that the server has refused, or that have to queue, with the stage of each.
///
/// As far as there are sessions for it, a key is waited for in the server's queue, by a statement on a session of its own. The others
/// queue here, and are tried again on a shared session at intervals, many at once.
struct Contention: Sendable {
    enum Stage: Hashable, Sendable {
        case queued
        /// It is being tried again, and keeps its position in the queue meanwhile.
        case polled(isWanted: Bool)
        case waiting(on: ConnectionID)
        /// Its statement is being ended, or has ended and is not verified yet to have left no lock.
        case ending(on: ConnectionID, End)
    }

    /// Why the statement of a wait is ended.
    enum End: Hashable, Sendable {
        /// The key is not waited for any more: no call wants it, or not in this mode, or the statement has failed by itself.
        case unwanted
        /// It harms other sessions, and is begun anew with a new snapshot.
        case renewed
        /// Its session is wanted for something else, and the key queues again.
        case yielding
    }

    private struct Wait: Sendable {
        var stage = Stage.queued
        let mode: Mode
        /// Whether it is tried on a shared session while there is no session for it.
        var mayPoll: Bool
        /// How often it was begun anew because it harmed other sessions.
        var renewals: Int32 = 0
    }

    private var waits: [AdvisoryKey: Wait] = [:]
    /// The keys that are queued or polled.
    private var queue = WaitQueue<AdvisoryKey>()
    private(set) var polls = PollSchedule()
    /// How many polls of any keys were begun.
    private(set) var pollCount = 0
    private var broken: [(id: ConnectionID, what: String)] = []

    // MARK: Looking in

    /// How many keys there are in all stages.
    var count: Int { waits.count }
    /// How many of them have no session.
    var queuedCount: Int { queue.count }
    /// The keys that have no session, if they are due to be tried.
    var due: [AdvisoryKey] { polls.isDue ? queue.elements : [] }

    func stage(of key: AdvisoryKey) -> Stage? { waits[key]?.stage }
    func mode(of key: AdvisoryKey) -> Mode? { waits[key]?.mode }
    func renewals(of key: AdvisoryKey) -> Int { waits[key].map { Int($0.renewals) } ?? 0 }
    func isPolled(_ key: AdvisoryKey) -> Bool { if case .polled = stage(of: key) { true } else { false } }

    /// Whether the next answer about the key comes over a shared session.
    func isQueued(_ key: AdvisoryKey) -> Bool { stage(of: key) == .queued || isPolled(key) }

    // MARK: Coming and going

    /// A key that is queued may be polled from the first call on that says so.
    mutating func queue(_ key: AdvisoryKey, _ mode: Mode, mayPoll: Bool = true) {
        guard waits[key] == nil else {
            if mayPoll { waits[key]?.mayPoll = true }
            return
        }
        waits[key] = Wait(mode: mode, mayPoll: mayPoll)
        queue.append(key)
    }

    mutating func forget(_ key: AdvisoryKey) {
        guard let wait = waits.removeValue(forKey: key) else { return }
        queue.remove(key)
        if case .polled = wait.stage { polls.noteAnswered() }
        if waits.isEmpty { polls = PollSchedule() }
    }

    /// No call wants the key any more, or not in this mode. If it was queued it is forgotten.
    ///
    /// - Returns: The stage in which it was.
    mutating func withdraw(_ key: AdvisoryKey) -> Stage? {
        let stage = stage(of: key)
        switch stage {
        case .queued: forget(key)
        case .polled: waits[key]?.stage = .polled(isWanted: false)
        case .waiting(let id), .ending(let id, _): waits[key]?.stage = .ending(on: id, .unwanted)
        case nil: break
        }
        return stage
    }

    // MARK: On a session of its own

    /// The key that has queued longest, unless it is just being tried.
    var next: AdvisoryKey? {
        mutating get { queue.first.flatMap { isPolled($0) ? nil : $0 } }
    }

    /// The session waits for the next key.
    mutating func beginNext(on id: ConnectionID) -> AdvisoryKey? {
        guard let key = next else { return nil }
        waits[key]?.stage = .waiting(on: id)
        queue.remove(key)
        return key
    }

    /// The wait is ended, to be begun again.
    mutating func end(_ key: AdvisoryKey, on id: ConnectionID, _ end: End) {
        guard stage(of: key) == .waiting(on: id) else { return broken.append((id, "a wait was ended that it did not have")) }
        waits[key]?.stage = .ending(on: id, end)
        if end == .renewed { waits[key]?.renewals += 1 }
    }

    /// The statement was answered by a grant. The key is forgotten.
    mutating func granted(_ key: AdvisoryKey, on id: ConnectionID) {
        switch stage(of: key) {
        case .waiting(id), .ending(id, _): forget(key)
        case .queued, .polled, .waiting, .ending, nil: noteForeignAnswer(id)
        }
    }

    /// The statement was answered by an error. The key is kept until the session is verified: nothing else may wait for it before.
    ///
    /// - Parameter isEnded: Whether the statement was ended, possibly to be begun again.
    mutating func failed(_ key: AdvisoryKey, on id: ConnectionID, isEnded: Bool) {
        switch stage(of: key) {
        case .ending(id, .renewed) where isEnded, .ending(id, .yielding) where isEnded: break
        case .waiting(id), .ending(id, _): waits[key]?.stage = .ending(on: id, .unwanted)
        case .queued, .polled, .waiting, .ending, nil: noteForeignAnswer(id)
        }
    }

    private mutating func noteForeignAnswer(_ id: ConnectionID) { broken.append((id, "a wait was answered that it did not have")) }

    /// The session certainly holds nothing, after its wait has failed or was ended.
    ///
    /// - Returns: Why the wait was ended, if it is begun again, on the same session or in the queue.
    mutating func verified(_ key: AdvisoryKey, on id: ConnectionID) -> End? {
        guard case .ending(id, let end) = stage(of: key) else { return nil }
        switch end {
        case .unwanted:
            forget(key)
            return nil
        case .renewed:
            waits[key]?.stage = .waiting(on: id)
        case .yielding:
            waits[key]?.stage = .queued
            queue.append(key)
        }
        return end
    }

    // MARK: Polling

    /// Plans the next poll if there is something to try, and no poll is under way.
    mutating func planPoll(using random: inout SplitMix64, now: Instant) {
        if queuedCount > 0 { polls.plan(using: &random, now: now) }
    }

    /// - Returns: Whether the pause between two polls has just come to its end.
    mutating func takePlannedPoll(now: Instant) -> Bool { polls.takePlanned(now: now) }

    /// The poll that is due begins, with the next keys in rotation.
    mutating func beginPoll(limit: Int) -> [(key: AdvisoryKey, mode: Mode)] {
        guard polls.isDue else { return [] }
        let part = queue.nextPart(limit).filter { waits[$0]?.mayPoll == true }
        polls.ask(part.count)
        if !part.isEmpty { pollCount += 1 }
        return part.compactMap { key in
            waits[key]?.stage = .polled(isWanted: true)
            return waits[key].map { (key, $0.mode) }
        }
    }

    /// A key was tried.
    ///
    /// - Returns: Whether that was a poll, and the key goes on waiting.
    mutating func tried(_ key: AdvisoryKey, isGranted: Bool, using random: inout SplitMix64, now: Instant) -> Bool {
        guard case .polled(let isWanted) = stage(of: key) else { return false }
        if isGranted { polls.noteGranted() }
        let goesOn = isWanted && !isGranted
        if goesOn {
            waits[key]?.stage = .queued
            polls.noteAnswered()
        } else {
            forget(key)
        }
        planPoll(using: &random, now: now)
        return goesOn
    }

    /// A key could not be tried, and the calls that want it are told.
    mutating func tryFailed(_ key: AdvisoryKey, using random: inout SplitMix64, now: Instant) {
        guard isPolled(key) else { return }
        forget(key)
        planPoll(using: &random, now: now)
    }

    // MARK: Invariants

    /// The sessions of which an event did not fit the stage. The event has changed nothing else.
    mutating func takeBroken() -> [(id: ConnectionID, what: String)] {
        defer { broken = [] }
        return broken
    }
}
