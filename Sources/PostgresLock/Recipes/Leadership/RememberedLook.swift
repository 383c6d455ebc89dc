import LockCore

/// An answer to the question which session leads, which is used again for a while.
///
/// A look walks through all locks of the server. So a twentieth of the time is spent on looks, at most.
struct RememberedLook {
    let leader: Leader?
    private let end: Instant

    init(_ leader: Leader?, asked: Instant, answered: Instant) {
        self.leader = leader
        end = answered.advanced(by: asked.duration(to: answered) * 20)
    }

    func isValid(at now: Instant) -> Bool { now < end }
}
