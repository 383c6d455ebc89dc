/// The calls that have not ended, their deadlines, and the times at which the server is asked whether the locks that they want are taken.
struct CallRegister: Sendable {
    struct Call: Sendable {
        enum Kind: Hashable, Sendable {
            case lock(AdvisoryKey)
            /// Wants any one of several keys.
            case choice
            case releasing
            case changing
            /// Waits for a further token of a key that is held.
            case fencing(AdvisoryKey)
            case checkOut
            case statement(ConnectionID)
        }

        let kind: Kind
        let since: Instant
        let deadline: Instant?
        /// Whether the caller waits for the call's end.
        let isAwaited: Bool
        /// The lock was refused to the same caller just before the call.
        let isRefusedBefore: Bool
        fileprivate var isLookPlanned = false

        init(_ kind: Kind, since: Instant, deadline: Instant? = nil, isAwaited: Bool = true, isRefusedBefore: Bool = false) {
            self.kind = kind
            self.since = since
            self.deadline = deadline
            self.isAwaited = isAwaited
            self.isRefusedBefore = isRefusedBefore
        }

        /// Whether it waits for a lock or a session.
        var isWaiting: Bool {
            switch kind {
            case .lock, .choice, .checkOut: true
            case .releasing, .changing, .fencing, .statement: false
            }
        }

        /// Whether a shutdown ends it: it waits for a lock, a session or a token.
        var endsByShutdown: Bool { if case .fencing = kind { true } else { isWaiting } }
    }

    private var calls = RequestMap<Call>()
    private var deadlines = DeadlineQueue()
    private var looks = DeadlineQueue()
    private var unawaitedCount = 0

    var isEmpty: Bool { calls.isEmpty }
    /// How many calls have a caller that waits for their end.
    var awaitedCount: Int { calls.count - unawaitedCount }
    /// In an order that does not differ from run to run.
    var elements: some Sequence<(id: RequestID, value: Call)> { calls.elements }

    /// How many deadlines and looks are stored, including those of calls that have ended.
    var entryCount: Int { deadlines.count + looks.count }

    subscript(id: RequestID) -> Call? { calls[id] }

    mutating func begin(_ id: RequestID, _ call: Call) {
        calls[id] = call
        if !call.isAwaited { unawaitedCount += 1 }
        if let deadline = call.deadline { deadlines.insert(id, at: deadline) }
    }

    /// - Returns: Whether it had not ended before.
    mutating func end(_ id: RequestID) -> Bool {
        guard let call = calls.removeValue(id) else { return false }
        if !call.isAwaited { unawaitedCount -= 1 }
        if call.deadline != nil { deadlines.noteEnded { [calls] in calls[$0] != nil } }
        if call.isLookPlanned { looks.noteEnded { [calls] in calls[$0] != nil } }
        return true
    }

    // MARK: Deadlines

    /// A call whose deadline has come. The call itself has not ended.
    mutating func popDue(now: Instant) -> RequestID? {
        deadlines.popDue(now: now) { [calls] in calls[$0] != nil }
    }

    mutating func nextDeadline() -> Instant? {
        // Read at the end of each turn.
        guard deadlines.count > 0 else { return nil }
        return deadlines.earliest { [calls] in calls[$0] != nil }?.deadline
    }

    // MARK: Looks

    /// How long before the deadline of a call the server is asked.
    private static let lookLead = Duration.seconds(2)

    /// Has no effect on a call that has ended, or has no deadline.
    mutating func planLook(for id: RequestID, now: Instant) {
        guard let call = calls[id], let deadline = call.deadline, !call.isLookPlanned else { return }
        calls.update(id) { $0.isLookPlanned = true }
        looks.insert(id, at: max(now, deadline.advanced(by: .zero - Self.lookLead)))
    }

    /// A call for which the server is asked from now on.
    mutating func popLook(now: Instant) -> (id: RequestID, call: Call)? {
        looks.popDue(now: now) { [calls] in calls[$0] != nil }.flatMap { id in calls[id].map { (id, $0) } }
    }

    mutating func nextLook() -> Instant? {
        guard looks.count > 0 else { return nil }
        return looks.earliest { [calls] in calls[$0] != nil }?.deadline
    }
}
