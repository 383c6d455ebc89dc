import LockServerModel

/// How often events have happened.
package struct SimulationTally: Hashable, Sendable, CustomStringConvertible {
    package enum Count: String, Sendable, CaseIterable {
        case steps
        /// Calls that have ended.
        case calls
        case grants
        /// Those of calls for any of several keys.
        case choices
        /// Permits of semaphores, and those of them that a task has found unused.
        case permits
        case unusedPermits
        /// Waits for a shared lock that the process held already, which ask whether others may join.
        case joins
        case downgrades
        case upgrades
        case refusedUpgrades
        /// An error came with a lock that was taken all the same.
        case verifiedHeld
        /// Waits that were ended and begun anew because they harmed other sessions.
        case renewed
        /// Transactions that gave their turn up because they had no session.
        case yielded
        case lost
        /// Locks that were no longer certain.
        case suspected
        /// Locks that had come in doubt before their callers went on.
        case claimedInDoubt
        /// Locks of explicit sessions.
        case sessionLocks
        /// Locks of transactions.
        case transactionLocks
        /// Locks that were released by an error in their transaction, or by its body.
        case releasedByServer
        case commits
        /// Those that were not answered.
        case unknownCommits
        /// Transactions that were to be committed, and were rolled back.
        case refusedCommits
        /// Sessions that were ended for their silence.
        case expired
        /// Processes that stood still for a while.
        case freezes
        /// Those of them that held something which the server took away meanwhile.
        case outlived
        /// Locks that bodies of transactions have taken by their own SQL.
        case locksBySQL
        /// Transactions that were marked as rollback-only.
        case rollbackOnly
        /// Calls that did not wait for a session, and got none.
        case refusedCheckOuts
        /// Other servers that were promoted, in place of the server of before.
        case promotions
        /// Other servers that were promoted while the server of before went on.
        case splits
        /// How often a process asked the other hosts for their timelines.
        case surveys
        /// Sessions that were given up because their server was replaced.
        case replacedSessions
        /// New sessions that were not used because their server was replaced.
        case lateSessions
        /// Fencing tokens.
        case tokens
        /// The server's lock table was full.
        case refusedForRoom
        /// An engine refused what might have filled it.
        case refusedByBudget
        /// Requests of other sessions to release a lock that a process was told of.
        case requests
    }

    private var counts: [Count: Int]

    package init() {
        counts = [:]
    }

    init(_ agenda: Agenda, _ ledger: Ledger) {
        counts = [
            .steps: agenda.steps,
            .calls: ledger.resolved,
            .grants: ledger.grants,
            .choices: ledger.choices,
            .permits: ledger.permits,
            .unusedPermits: ledger.unusedPermits,
            .joins: ledger.joins,
            .downgrades: ledger.downgrades,
            .upgrades: ledger.upgrades,
            .refusedUpgrades: ledger.refusedUpgrades,
            .verifiedHeld: ledger.verifiedHeld,
            .renewed: ledger.renewed,
            .yielded: ledger.yielded,
            .lost: ledger.lost,
            .suspected: ledger.suspected,
            .claimedInDoubt: ledger.claimedInDoubt,
            .sessionLocks: ledger.sessionLocks,
            .transactionLocks: ledger.transactionLocks,
            .releasedByServer: ledger.releasedByServer,
            .commits: ledger.commits,
            .unknownCommits: ledger.unknownCommits,
            .refusedCommits: ledger.refusedCommits,
            .locksBySQL: ledger.locksBySQL,
            .rollbackOnly: ledger.rollbackOnly,
            .refusedCheckOuts: ledger.refusedCheckOuts,
            .promotions: ledger.promotions,
            .splits: ledger.splits,
            .surveys: ledger.surveys,
            .replacedSessions: ledger.replacedSessions,
            .lateSessions: ledger.lateSessions,
            .expired: ledger.expired,
            .freezes: ledger.freezes,
            .outlived: ledger.outlived,
            .tokens: ledger.tokens,
            .refusedForRoom: ledger.refusedForRoom,
            .refusedByBudget: ledger.refusedByBudget,
            .requests: ledger.requests,
        ]
    }

    package subscript(count: Count) -> Int { counts[count, default: 0] }

    package static func += (left: inout Self, right: Self) {
        left.counts.merge(right.counts, uniquingKeysWith: +)
    }

    package var description: String {
        Count.allCases.map { "\($0): \(self[$0])" }.joined(separator: ", ")
    }
}
