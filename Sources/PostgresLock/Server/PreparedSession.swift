package import LibPQ

/// A session that is fit for locks, and what was found out once while it was made sure of that.
package struct PreparedSession: Sendable {
    package let raw: RawConnection
    /// What a pooler keeps of clients that have gone.
    package let reset: ResetCheck.Outcome
    /// A timeline that had been seen before, and that no server has any more.
    package let forgottenTimeline: UInt32?
}
