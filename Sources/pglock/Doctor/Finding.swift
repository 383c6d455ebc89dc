/// The result of one check of `pglock doctor`.
struct Finding: Codable {
    enum Check: String, Codable {
        case reachable
        case version
        case primary
        case pooling
        case servers
        case exclusion
        case lock
        case visibility
        case cancelling
        case lockTable = "lock-table"
        case connections
        case timeouts
        case encryption
        case keepalives
        case privileges
        case roundTrip = "round-trip"
    }

    enum State: String, Codable {
        case ok
        /// Locks work, but something should be improved.
        case warning
        /// Locks don't work.
        case failed
    }

    let check: Check
    let state: State
    let finding: String
    /// What to do about it.
    let advice: String?

    init(_ check: Check, _ state: State, _ finding: String, advice: String? = nil) {
        self.check = check
        self.state = state
        self.finding = Redaction.redact(finding)
        self.advice = advice
    }
}
