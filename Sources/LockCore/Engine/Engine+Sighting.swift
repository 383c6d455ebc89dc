extension Engine {
    /// What the server says of a session when it is asked over another one.
    package enum Sighting: Hashable, Sendable {
        /// Nothing: the role may not see the other's sessions, or no account is kept of what they do.
        case hidden
        /// It runs nothing, or is not there any more.
        case quiet
        /// - Parameter isHeard: Whether it waits for something else than that its client takes what it is sent. If not, the server
        ///   may be about to end it.
        case active(isHeard: Bool)

        /// - Parameter rows: Whether the session's activity can be seen, whether it is active, and whether it is heard; none if the
        ///   session is gone.
        package init(_ rows: [Bool]) {
            guard rows.count == 3 else {
                self = .quiet
                return
            }
            self = !rows[0] ? .hidden : rows[1] ? .active(isHeard: rows[2]) : .quiet
        }
    }
}
