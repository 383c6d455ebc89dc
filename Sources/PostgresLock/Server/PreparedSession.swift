package import LibPQ

/// A session that is fit for locks, and the findings of the checks that are reported once.
package struct PreparedSession: Sendable {
    package let raw: RawConnection
    /// What a pooler keeps of clients that have gone, if it was examined for this session.
    package let reset: ResetCheck.Outcome
    /// A timeline that was seen before, and that no server has any more.
    package let forgottenTimeline: UInt32?
}
