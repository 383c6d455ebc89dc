/// The state of a lock that the server has granted: whether it is held, and whether it is still to be released.
///
/// A loss alone does not tell that: a lock that is merely in doubt has a loss too, and is still to be released.
package enum GrantState: UInt8, Hashable, Sendable {
    case held
    /// Not held for certain any more, and its holder is told so. The server may keep the lock all the same, so it is still to be released.
    case suspect
    /// Released by its holder.
    case released
    /// Not held any more, and not released by its holder.
    case lost

    package enum End: Hashable, Sendable {
        case released
        case lost
        case suspected
    }

    /// What the caller of an acquire gets when its task runs again, which may be long after the grant.
    package enum Claim: Hashable, Sendable {
        /// The lock.
        case held
        /// An error. If the lock is still to be released, the caller can't do that.
        case lost(isToBeReleased: Bool)
    }

    /// Whether it is still to be released at the server.
    package var isToBeReleased: Bool { self == .held || self == .suspect }

    /// - Returns: Whether that is news for its holder.
    package mutating func end(_ end: End) -> Bool {
        switch (self, end) {
        case (.held, .released): self = .released
        case (.held, .lost): self = .lost
        case (.held, .suspected): self = .suspect
        case (.suspect, .lost):
            // The holder was told of the doubt.
            self = .lost
            return false
        case (.suspect, .released), (.suspect, .suspected), (.released, _), (.lost, _):
            return false
        }
        return true
    }

    /// Its holder releases it.
    ///
    /// - Returns: Whether it has to be released at the server; true once.
    package mutating func beginRelease() -> Bool {
        guard isToBeReleased else { return false }
        self = self == .held ? .released : .lost
        return true
    }

    /// The task of the caller that has asked for it runs again. If the claim is a lost lock that is to be released, the driver releases it.
    package mutating func claim() -> Claim {
        guard self != .held else { return .held }
        return .lost(isToBeReleased: beginRelease())
    }
}
