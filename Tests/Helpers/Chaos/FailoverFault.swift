import LockCore

/// A fault that is injected into a cluster of servers.
package struct FailoverFault: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Codable, Sendable {
        /// The primary and its Patroni are killed by SIGKILL.
        case nodeDies
        /// The same, and nothing answers for its addresses any more.
        case nodeVanishes
        /// The primary's main process is killed by SIGKILL. Patroni starts it again.
        case postmasterKilled
        /// The same, with Patroni's setting `primary_start_timeout: 0`, by which another server is promoted.
        case postmasterKilledForGood
        /// All processes of the primary are stopped by SIGSTOP. Its Patroni goes on.
        case postgresFrozen
        /// The primary and its Patroni are stopped by SIGSTOP, as on a machine that is paused.
        case bothFrozen
        /// The primary's Patroni is killed by SIGKILL. The primary goes on, and clients reach it.
        case patroniKilled
        /// The primary's machine is cut off from etcd and the other servers, and clients reach it.
        case cutOff
        case switchover
        /// A standby is promoted without Patroni, which undoes that.
        case promotedByHand
        /// A standby is frozen. The primary dies. The other standby is promoted, and dies, too. The first standby wakes, and the former primary
        /// is started again, neither of which has seen the promotion.
        case twoFailovers
    }

    /// Whether it cuts networks, which only root can.
    package static func needsNetworks(_ kind: Kind) -> Bool { kind == .cutOff || kind == .nodeVanishes }

    package let kind: Kind
    /// The time before this fault.
    package let pause: Duration
    /// Which of the two standbys is chosen, for kinds that affect one.
    package let standby: Int
}

/// The endless sequence of faults that a seed determines.
package struct FailoverSchedule: Sequence, IteratorProtocol {
    private let kinds: [FailoverFault.Kind]
    private var generator: SplitMix64
    private var remaining: [FailoverFault.Kind] = []

    /// - Parameter kinds: Each of them occurs once in each group of faults, which is shuffled.
    package init(seed: UInt64, kinds: [FailoverFault.Kind]) {
        self.kinds = kinds
        generator = SplitMix64(seed: seed)
    }

    package mutating func next() -> FailoverFault? {
        if remaining.isEmpty { remaining = kinds.shuffled(using: &generator) }
        guard let kind = remaining.popLast() else { return nil }
        return FailoverFault(
            kind: kind,
            pause: .milliseconds(Int.random(in: 2000...5000, using: &generator)),
            standby: Int.random(in: 0...1, using: &generator)
        )
    }
}
