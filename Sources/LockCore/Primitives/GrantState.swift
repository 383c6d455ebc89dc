/// What has become of a lock that the server has granted, and what remains to be done with it.
///
/// The one place that says so. A loss alone does not: a lock that is merely in doubt has a loss too, and is still to be
/// released.
package enum GrantState: UInt8, Hashable, Sendable {
    case held
    /// Not held for certain any more, and its holder is told so. The server may keep it for us all the same, so it is still to
    /// be released.
    case suspect
    /// Its holder has let go of it.
    case released
    /// Not held any more, without its holder's doing.
    case lost

    package enum End: Hashable, Sendable {
        case released
        case lost
        case suspected
    }

    /// What the caller of an acquire gets when it comes to run, which may be long after the grant.
    package enum Claim: Hashable, Sendable {
        /// The lock.
        case held
        /// An error. If the lock is to be released, the caller has no means to do it.
        case lost(isToBeReleased: Bool)
    }

    /// Whether it is still to be released at the server.
    package var isToBeReleased: Bool { self == .held || self == .suspect }

    /// - Returns: Whether its holder learns something new by that.
    package mutating func end(_ end: End) -> Bool {
        switch (self, end) {
        case (.held, .released): self = .released
        case (.held, .lost): self = .lost
        case (.held, .suspected): self = .suspect
        case (.suspect, .lost):
            // The holder knows already.
            self = .lost
            return false
        case (.suspect, .released), (.suspect, .suspected), (.released, _), (.lost, _):
            return false
        }
        return true
    }

    /// Its holder lets go of it.
    ///
    /// - Returns: Whether it has to be released at the server; true once.
    package mutating func beginRelease() -> Bool {
        guard isToBeReleased else { return false }
        self = self == .held ? .released : .lost
        return true
    }

    /// The caller that has asked for it comes to run. Whoever is told that a lost lock is to be released has to see to that.
    package mutating func claim() -> Claim {
        guard self != .held else { return .held }
        return .lost(isToBeReleased: beginRelease())
    }
}
