import LockCore

/// Rendezvous hashing: each share goes to the member with the highest score for it. So a member that comes or goes moves its own shares only, and
/// all members find the same owners without talking to each other.
enum ShareRanking {
    /// The output of SplitMix64 that is seeded with the member's number in the upper half, and the share's in the lower half.
    static func score(of member: UInt32, for share: Int) -> UInt64 {
        var generator = SplitMix64(seed: UInt64(member) << 32 | UInt64(share))
        return generator.next()
    }

    /// - Parameter members: At least one.
    static func first(for share: Int, of members: some Collection<UInt32>) -> UInt32? {
        members.max { precedes($1, $0, for: share) }
    }

    /// The members, in the order in which the share is theirs.
    static func order(for share: Int, of members: some Collection<UInt32>) -> [UInt32] {
        members.sorted { precedes($0, $1, for: share) }
    }

    /// Of two members with the same score the one with the higher number comes first.
    private static func precedes(_ left: UInt32, _ right: UInt32, for share: Int) -> Bool {
        (score(of: left, for: share), left) > (score(of: right, for: share), right)
    }
}
