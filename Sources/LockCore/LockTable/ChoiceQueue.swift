/// The requests for any of several keys that wait, and when their keys are tried.
///
/// A new request is tried with the next round. While it waits, its keys are tried again at intervals, together with those of all others. A
/// request with a pause of its own is tried at that pace.
struct ChoiceQueue: Sendable {
    typealias Choice = LockTable.Choice

    private struct Waiting: Sendable {
        let choice: Choice
        /// The keys of which it is not known that they were taken at some time since the request came.
        var unknown: [AdvisoryKey]
        /// Whether it is tried with the next round.
        var isDue = true
        /// Whether its keys were tried before.
        var isAsked = false
        /// How many rounds of tries had gone out when the request came.
        let sentBefore: Int
    }

    /// In order of arrival.
    private var order = WaitQueue<RequestID>()
    private var waiting = RequestMap<Waiting>()
    /// How many have a pause of their own.
    private var hurriedCount = 0
    /// Whether any is tried with the next round.
    private(set) var isDue = false
    /// How many keys the tries in flight may take.
    private(set) var triedCount = 0
    /// The keys in flight, and with which round each went out.
    private var rounds: [AdvisoryKey: Int] = [:]
    private var sentCount = 0

    private var pollAt: Instant?
    private var hurriedPollAt: Instant?
    private var backoff = Self.newBackoff

    private static var newBackoff: Backoff { Backoff(first: .milliseconds(10), most: .milliseconds(250)) }
    /// With more requests that have a pause of their own, the pause grows.
    private static let mostHurried = 8

    // MARK: Looking in

    var isEmpty: Bool { order.isEmpty }
    /// The oldest first.
    var ids: [RequestID] { order.elements }
    var dueIDs: [RequestID] { isDue ? order.elements.filter { waiting[$0]?.isDue == true } : [] }

    subscript(id: RequestID) -> Choice? { waiting[id]?.choice }

    func unknownKeys(of id: RequestID) -> [AdvisoryKey] { waiting[id]?.unknown ?? [] }

    func isAsked(_ id: RequestID) -> Bool { waiting[id]?.isAsked ?? false }

    /// The keys that are still worth a try. A request that does not wait needs only one answer about each.
    func wanted(by id: RequestID) -> [AdvisoryKey] {
        waiting[id].map { $0.choice.noWait ? $0.unknown : $0.choice.keys } ?? []
    }

    /// The oldest request that wants the key in this mode.
    func first(wanting key: AdvisoryKey, _ mode: Mode) -> RequestID? {
        order.elements.first { id in
            waiting[id].map { $0.choice.mode == mode && $0.choice.keys.contains(key) } ?? false
        }
    }

    // MARK: Coming and going

    mutating func append(_ id: RequestID, _ choice: Choice) {
        order.append(id)
        waiting[id] = Waiting(choice: choice, unknown: choice.keys, sentBefore: sentCount)
        if choice.pollPause != nil { hurriedCount += 1 }
        isDue = true
    }

    /// - Returns: Whether it was there.
    @discardableResult
    mutating func remove(_ id: RequestID) -> Bool {
        guard let removed = waiting.removeValue(id) else { return false }
        order.remove(id)
        if removed.choice.pollPause != nil { hurriedCount -= 1 }
        if order.isEmpty { (isDue, pollAt, hurriedPollAt, backoff) = (false, nil, nil, Self.newBackoff) }
        return true
    }

    // MARK: What is known of the keys

    /// The keys were taken, as the server has said when it was asked for this mode. A request that came after the question learns nothing from that: a key
    /// may have become free in between.
    mutating func noteTaken(_ keys: Set<AdvisoryKey>, by mode: Mode) {
        guard !keys.isEmpty else { return }
        // What is not to be had shared is not to be had exclusively either.
        for id in ids where waiting[id].map({ $0.choice.mode == mode || mode == .shared }) ?? false {
            guard let sentBefore = waiting[id]?.sentBefore else { continue }
            dropUnknown(id) { [rounds] in keys.contains($0) && rounds[$0, default: 0] >= sentBefore }
        }
    }

    /// These keys of one request are known to be taken.
    mutating func dropUnknown(_ id: RequestID, where isTaken: (AdvisoryKey) -> Bool) {
        waiting.update(id) { $0.unknown.removeAll(where: isTaken) }
    }

    /// The requests that do not wait, and for which each key was taken.
    var hopeless: [RequestID] {
        ids.filter { id in waiting[id].map { $0.choice.noWait && $0.unknown.isEmpty } ?? false }
    }

    // MARK: When they are tried

    /// These keys are worth a try now: the process does not hold them any more, or could have had them.
    mutating func noteFree(_ keys: Set<AdvisoryKey>) {
        guard !keys.isEmpty else { return }
        for id in ids where waiting[id]?.choice.keys.contains(where: keys.contains) == true { setDue(id, true) }
    }

    mutating func setDue(_ id: RequestID, _ isDue: Bool) {
        waiting.update(id) { $0.isDue = isDue }
        if isDue { self.isDue = true }
    }

    /// After all that are due were looked at.
    mutating func endRound() { isDue = !dueIDs.isEmpty }

    /// Some of its keys are tried.
    mutating func noteTried(_ id: RequestID) {
        waiting.update(id) { $0.isAsked = true }
        setDue(id, false)
    }

    /// - Parameters:
    ///   - count: How many keys the tries may take.
    ///   - keys: The keys that are tried.
    mutating func noteSent(_ count: Int, of keys: some Sequence<AdvisoryKey>) {
        guard count > 0 else { return }
        triedCount += count
        for key in keys { rounds[key] = sentCount }
        sentCount += 1
    }

    /// The keys are in flight no more.
    mutating func noteEnd(of keys: [AdvisoryKey]) {
        for key in keys { rounds[key] = nil }
    }

    mutating func noteAnswered(_ count: Int, granted: Int) {
        triedCount -= count
        if granted > 0 { backoff = Self.newBackoff }
    }

    /// When they are tried again; `nil` if that is not planned.
    var nextPoll: Instant? {
        guard let pollAt, let hurriedPollAt else { return pollAt ?? hurriedPollAt }
        return min(pollAt, hurriedPollAt)
    }

    /// Plans the next tries, unless they are planned. The pause begins with the answer to the last one.
    mutating func planPolls(using random: inout SplitMix64, now: Instant) {
        guard !isEmpty, !isDue, triedCount == 0 else { return }
        if pollAt == nil { pollAt = now.advanced(by: backoff.next(using: &random)) }
        guard hurriedCount > 0, hurriedPollAt == nil, let pause = ids.compactMap({ waiting[$0]?.choice.pollPause }).min() else { return }
        var jitter = Backoff(first: pause * max(1, hurriedCount / Self.mostHurried), most: .milliseconds(250))
        hurriedPollAt = now.advanced(by: jitter.next(using: &random))
    }

    mutating func pollIfPlanned(now: Instant) {
        if let at = pollAt, at <= now {
            pollAt = nil
            for id in ids { setDue(id, true) }
        }
        if let at = hurriedPollAt, at <= now {
            hurriedPollAt = nil
            for id in ids where waiting[id]?.choice.pollPause != nil { setDue(id, true) }
        }
    }
}
