import LockCore

/// An answer to the question which session leads, which is used again for a while.
///
/// See ``LookPause`` for how long.
struct RememberedLook {
    let leader: Leader?
    private let end: Instant

    init(_ leader: Leader?, asked: Instant, answered: Instant) {
        self.leader = leader
        end = answered.advanced(by: LookPause.after(asked.duration(to: answered)))
    }

    func isValid(at now: Instant) -> Bool { now < end }
}
