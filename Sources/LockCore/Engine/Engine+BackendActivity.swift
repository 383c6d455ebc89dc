extension Engine {
    /// What the server says of a session when it is asked over another one.
    package enum BackendActivity: Hashable, Sendable {
        /// Nothing: the role may not see the other's sessions, or no account is kept of what they do.
        case hidden
        /// It runs nothing, or is not there any more.
        case quiet
        /// - Parameter isHeard: Whether it waits for something else than that its client takes what it is sent. If not, the server
        ///   may be about to end it.
        case active(isHeard: Bool)
    }
}
