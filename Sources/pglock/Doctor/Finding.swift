/// What `pglock doctor` has found out about one thing.
struct Finding: Codable {
    enum Check: String, Codable {
        case reachable
        case version
        case primary
        case pooling
        case exclusion
        case lock
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
        /// Worth a look; locks work all the same.
        case warning
        /// No ground for locks.
        case failed
    }

    let check: Check
    let state: State
    let finding: String
    /// What to do about it, if something is.
    let advice: String?

    init(_ check: Check, _ state: State, _ finding: String, advice: String? = nil) {
        self.check = check
        self.state = state
        self.finding = Redaction.redact(finding)
        self.advice = advice
    }
}
