/// Grants that are not given out yet: the session has not answered recently enough, or there is no fencing token yet.
struct Confirmations: Sendable {
    struct Grant: Sendable {
        let session: ConnectionID
        /// The request that has the lock: the call itself, or the holder for which the call wants a further token.
        let holder: RequestID
        /// The key of which the grant needs a token; `nil` if it needs none.
        let key: AdvisoryKey?
    }

    private var grants: [RequestID: Grant] = [:]
    /// Requests that were granted a lock, and whose calls have ended otherwise.
    private var unclaimed: [RequestID] = []

    var isEmpty: Bool { grants.isEmpty }
    var isAnyUnclaimed: Bool { !unclaimed.isEmpty }

    func contains(_ call: RequestID) -> Bool { grants[call] != nil }

    mutating func insert(_ call: RequestID, _ grant: Grant) { grants[call] = grant }

    /// - Returns: `nil` if the call does not wait for one.
    mutating func take(_ call: RequestID) -> Grant? { grants.removeValue(forKey: call) }

    /// The call has ended otherwise.
    mutating func takeEnded(_ call: RequestID) -> Grant? {
        guard let grant = take(call) else { return nil }
        if grant.holder == call { unclaimed.append(call) }
        return grant
    }

    mutating func takeUnclaimed() -> [RequestID] {
        defer { unclaimed = [] }
        return unclaimed
    }

    /// The grants that wait for this session, in order of their calls.
    func waiting(on session: ConnectionID) -> [(call: RequestID, grant: Grant)] {
        grants.filter { $0.value.session == session }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// The calls that wait for a token of one of these keys.
    func calls(waitingFor keys: Set<AdvisoryKey>) -> [RequestID] {
        grants.filter { $0.value.key.map(keys.contains) ?? false }.keys.sorted()
    }
}
