import LockCore

@testable import PostgresLock

/// Members of shared work without a server and without a clock: the locks are in a table, and the time is set.
struct ShareWorld {
    /// A member, or a program that holds a key of its kind.
    struct Member {
        var membership: ShareMembership
        /// When it goes on.
        var wake: Instant
        /// When the bodies return that are to end.
        var returning: [Int: Instant] = [:]
        /// Until then it does nothing.
        var frozenUntil: Instant?
        var hasFinished = false
    }

    let count: Int
    private(set) var now = Instant(nanoseconds: 0)
    private(set) var members: [Int: Member] = [:]
    private(set) var memberKeys: [UInt32: Int] = [:]
    private(set) var shareKeys: [Int: Int] = [:]
    /// Keys of members that other programs hold.
    var phantoms: Set<UInt32> = []
    /// How many shares were taken, and since when each one is free.
    private(set) var takenCount = 0
    private(set) var tryCount = 0
    private(set) var longestFree = Duration.zero
    private var freeSince: [Int: Instant] = [:]
    private var generator: SplitMix64
    private var joined = 0
    /// How long a body needs to return, at most.
    var longestReturn = Duration.milliseconds(20)
    var lookCost = Duration.milliseconds(2)

    init(count: Int = 64, seed: UInt64 = 1) {
        self.count = count
        generator = SplitMix64(seed: seed)
    }

    var running: [Int] { members.keys.filter { members[$0]?.hasFinished == false }.sorted() }
    var ids: Set<UInt32> { Set(memberKeys.keys) }

    /// The shares that are with the first of the members that are seen.
    var settledCount: Int {
        (0..<count).count { share in
            shareKeys[share].flatMap { members[$0]?.membership.id } == ShareRanking.first(for: share, of: ids.union(phantoms))
        }
    }

    mutating func resetCounts() {
        (takenCount, tryCount, longestFree) = (0, 0, .zero)
        freeSince = [:]
    }

    mutating func milliseconds(_ range: ClosedRange<Int>) -> Duration { .milliseconds(Int.random(in: range, using: &generator)) }

    // MARK: What happens

    /// - Parameter seed: Of its numbers.
    @discardableResult
    mutating func join(seed: UInt64? = nil, returnLimit: Duration = .seconds(5)) -> Int {
        joined += 1
        let membership = ShareMembership(count: count, returnLimit: returnLimit, seed: seed ?? generator.next(), now: now)
        members[joined] = Member(membership: membership, wake: now)
        return joined
    }

    mutating func leave(_ number: Int) {
        members[number]?.membership.leave(now: now)
        members[number]?.wake = now
    }

    /// Its sessions end with it.
    mutating func kill(_ number: Int) {
        releaseAll(of: number)
        members[number] = nil
    }

    /// - Parameter lease: After that time the server ends its sessions.
    mutating func freeze(_ number: Int, for duration: Duration, lease: Duration = .seconds(2)) {
        members[number]?.frozenUntil = now.advanced(by: duration)
        members[number]?.wake = now.advanced(by: duration)
        guard duration > lease else { return }
        let end = now.advanced(by: lease)
        run(until: end)
        guard members[number]?.frozenUntil ?? end > end else { return }
        loseSession(of: number)
    }

    /// The server ends the sessions of a member.
    mutating func loseSession(of number: Int, notUntil connected: Duration = .zero) {
        // In an order that does not depend on the process, since each one draws a number.
        let lost = shareKeys.filter { $0.value == number }.keys.sorted()
        releaseAll(of: number)
        guard var member = members[number] else { return }
        let noticed = max(now, member.frozenUntil ?? now)
        member.membership.lostKey(now: noticed)
        if connected > .zero { member.membership.failed(now: noticed.advanced(by: connected - ShareMembership.leastLookPause)) }
        for share in lost { member.returning[share] = noticed.advanced(by: milliseconds(0...20)) }
        member.wake = noticed
        members[number] = member
    }

    private mutating func releaseAll(of number: Int) {
        memberKeys = memberKeys.filter { $0.value != number }
        for (share, holder) in shareKeys where holder == number { release(share) }
    }

    private mutating func release(_ share: Int) {
        shareKeys[share] = nil
        freeSince[share] = now
    }

    // MARK: Time

    mutating func run(for duration: Duration) { run(until: now.advanced(by: duration)) }

    mutating func run(until end: Instant) {
        while let (number, time) = nextEvent, time <= end {
            now = max(now, time)
            step(number)
        }
        now = end
        // What is still free counts, too.
        for since in freeSince.values { longestFree = max(longestFree, since.duration(to: now)) }
    }

    private var nextEvent: (number: Int, time: Instant)? {
        let events = members.compactMap { number, member -> (number: Int, time: Instant)? in
            guard !member.hasFinished else { return nil }
            return (number, max(min(member.wake, member.returning.values.min() ?? .distantFuture), member.frozenUntil ?? member.wake.past))
        }
        return events.min { ($0.time, $0.number) < ($1.time, $1.number) }
    }

    private mutating func step(_ number: Int) {
        guard var member = members[number] else { return }
        defer { members[number] = member }
        member.frozenUntil = nil
        for (share, time) in member.returning where time <= now {
            member.returning[share] = nil
            // After a loss another member may have it.
            if shareKeys[share] == number { release(share) }
            member.membership.ended(share, now: now)
        }
        while true {
            switch member.membership.next(now: now) {
            case .join(let id):
                if memberKeys[id] == nil, !phantoms.contains(id) {
                    memberKeys[id] = number
                    member.membership.joined(now: now)
                } else {
                    member.membership.refused(now: now)
                }
            case .look:
                member.membership.looked(
                    ShareLook(members: ids.union(phantoms), taken: Set(shareKeys.keys), counts: [count]),
                    cost: lookCost,
                    now: now
                )
            case .take(let shares):
                tryCount += 1
                let free = shares.filter { shareKeys[$0] == nil }
                for share in free {
                    shareKeys[share] = number
                    if let since = freeSince.removeValue(forKey: share) { longestFree = max(longestFree, since.duration(to: now)) }
                }
                takenCount += free.count
                member.membership.took(free, of: shares, now: now)
            case .end(let shares):
                for share in shares where member.returning[share] == nil {
                    member.returning[share] = now.advanced(
                        by: .nanoseconds(Int64.random(in: 0...longestReturn.clampedNanoseconds, using: &generator))
                    )
                }
            case .hide:
                memberKeys = memberKeys.filter { $0.value != number }
            case .wait(let end):
                member.wake = end
                return
            case .finish:
                member.hasFinished = true
                return
            }
        }
    }
}

extension Instant {
    fileprivate var past: Instant { Instant(nanoseconds: .min) }
}
