extension Engine {
    /// What a session is used for.
    package enum Role: Hashable, Sendable {
        /// Never runs a statement that may block.
        case shared
        /// Runs one blocking lock statement, then holds that key.
        case waiting
        /// Belongs to one transaction or explicit session.
        case checkedOut
        /// Writes the records that fencing tokens come from.
        case fencing
    }
}
