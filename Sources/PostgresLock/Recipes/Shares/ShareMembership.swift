import LockCore

/// Decides for one member which shares it takes, keeps and gives up, and when it looks at the server. Without I/O and without a clock.
///
/// Its driver asks ``next(now:)`` what to do, does it, and reports the outcome.
struct ShareMembership: Sendable {
    enum Step: Hashable {
        /// Show the member to the others by the key of this number, then report ``joined(now:)``, ``refused(now:)`` or ``failed(now:)``.
        case join(UInt32)
        /// Look at the server, then report ``looked(_:cost:now:)`` or ``failed(now:)``.
        case look
        /// Try the locks of shares, then report ``took(_:of:now:)``, and ``failed(now:)`` if a try has failed.
        case take([Int])
        /// Cancel the bodies of shares. Each is reported by ``ended(_:now:)`` when its lock is released.
        case end([Int])
        /// Release the key of the member.
        case hide
        case wait(until: Instant)
        /// Nothing is held any more.
        case finish
    }

    private enum Stage {
        /// The others don't see it.
        case absent(until: Instant)
        case present
        /// It is to end, and the others see it.
        case leaving
        /// They don't see it any more, and try to take its shares.
        case hidden(until: Instant)
        case ending
    }

    private enum Holding {
        case running, ending
    }

    /// A share that its first member does not take: the lock that is seen may be another program's.
    private struct Fallback {
        let first: UInt32
        /// How many members in front are left out.
        var depth = 0
        /// In how many looks, one after the other, the share was free.
        var freeLooks = 0
        /// In how many looks, one after the other, another member had it.
        var takenLooks = 0
    }

    // MARK: Times

    /// Between two looks, if they are cheap.
    static let leastLookPause = Duration.seconds(1)
    /// Between two tries for shares that another member is to give up.
    static let tryPause = Duration.milliseconds(50)
    /// How often it is tried at that pace, before it is tried after each look only: a body may not heed its cancellation.
    private static let quickTries = 200
    /// Between two tries for the own key, while a lost session has it.
    private static let joinPause = Duration.milliseconds(250)
    /// For how long after its return a member counts on the return of the others.
    static let grace = Duration.seconds(3)
    /// In how many looks a share has to be free before the next member takes it.
    static let freeLooks = 4

    // MARK: State

    let count: Int
    /// Identifies the member.
    private(set) var id: UInt32
    /// For how long a member that has lost its session tries to get its key back.
    private let returnLimit: Duration
    private var generator: SplitMix64
    private var stage: Stage
    private var held: [Int: Holding] = [:]
    /// The members that counted in the last look, this one included.
    private var view: Set<UInt32> = []
    /// The members from before the loss of the session. They count until a time, which is `nil` before the first look.
    private var former: (members: Set<UInt32>, until: Instant?)?
    /// Whether the key was lost, and until when it is tried to get it back; `nil` before the first try that was refused.
    private var isReturning = false
    private var returnEnd: Instant?
    /// To whom each share belongs by the last look, and by the one before.
    private var owners: [UInt32] = []
    private var formerOwners: [UInt32] = []
    private var fallbacks: [Int: Fallback] = [:]
    /// Whether it was seen that all members count on as many shares.
    private var isAgreed = false
    private var lookPause = leastLookPause
    private var formerCost = Duration.zero
    private var nextLook: Instant
    private var nextTry: Instant
    private var tries = 0
    /// The number of shares that another member counts on, which has ended the membership.
    private(set) var disagreement: Int?

    /// - Parameters:
    ///   - count: How many shares there are.
    ///   - returnLimit: For how long the server may keep the locks of a lost session.
    ///   - seed: Of the member's numbers, and of the jitter of its looks.
    init(count: Int, returnLimit: Duration, seed: UInt64, now: Instant) {
        self.count = count
        self.returnLimit = returnLimit
        generator = SplitMix64(seed: seed)
        id = UInt32(truncatingIfNeeded: generator.next())
        stage = .absent(until: now)
        nextLook = now
        nextTry = now
    }

    /// The shares whose bodies run.
    var running: [Int] { held.filter { $0.value == .running }.keys.sorted() }

    /// The shares that are to be taken.
    private var wanted: [Int] { owners.indices.filter { owners[$0] == id && held[$0] == nil } }

    /// The shares that belong to another member, in two looks to the same one.
    private var surplus: [Int] {
        guard !formerOwners.isEmpty else { return [] }
        return running.filter { owners[$0] != id && owners[$0] == formerOwners[$0] }
    }

    // MARK: What to do

    mutating func next(now: Instant) -> Step {
        switch stage {
        case .absent(let end):
            return now < end ? .wait(until: end) : .join(id)
        case .present:
            if now >= nextLook { return .look }
            let surplus = surplus
            if !surplus.isEmpty { return end(surplus) }
            let wanted = wanted
            if !wanted.isEmpty, now >= nextTry { return .take(wanted) }
            return .wait(until: wanted.isEmpty ? nextLook : min(nextLook, nextTry))
        case .leaving:
            // The others look within that time, and find out which of the shares are theirs.
            stage = .hidden(until: now.advanced(by: lookPause * 23 / 20))
            return .hide
        case .hidden(let end):
            if now < end, !running.isEmpty { return .wait(until: end) }
            stage = .ending
            return next(now: now)
        case .ending:
            let running = running
            if !running.isEmpty { return end(running) }
            return held.isEmpty ? .finish : .wait(until: .distantFuture)
        }
    }

    private mutating func end(_ shares: [Int]) -> Step {
        for share in shares { held[share] = .ending }
        return .end(shares)
    }

    // MARK: What has happened

    /// The others see the member.
    mutating func joined(now: Instant) {
        guard case .absent = stage else { return }
        stage = .present
        isReturning = false
        nextLook = now
    }

    /// The key of the member is taken.
    mutating func refused(now: Instant) {
        guard case .absent = stage else { return }
        guard isReturning else {
            id = UInt32(truncatingIfNeeded: generator.next())
            return
        }
        // By its own lost session, as long as the server does not know of the loss.
        let end = returnEnd ?? now.advanced(by: returnLimit)
        returnEnd = end
        stage = .absent(until: now.advanced(by: Self.joinPause))
        guard now >= end else { return }
        isReturning = false
        id = UInt32(truncatingIfNeeded: generator.next())
    }

    /// The server has not answered.
    mutating func failed(now: Instant) {
        switch stage {
        case .absent: stage = .absent(until: now.advanced(by: Self.leastLookPause))
        case .present:
            nextTry = now.advanced(by: Self.leastLookPause)
            nextLook = max(nextLook, nextTry)
        case .leaving, .hidden, .ending: break
        }
    }

    /// The key of the member is lost.
    mutating func lostKey(now: Instant) {
        guard case .present = stage else { return }
        stage = .absent(until: now)
        isReturning = true
        returnEnd = nil
        isAgreed = false
        // A loss during the return is another one of the same outage.
        former = (view.union(former?.members ?? []), nil)
        formerOwners = []
    }

    mutating func looked(_ look: ShareLook, cost: Duration, now: Instant) {
        guard case .present = stage else { return }
        if !isAgreed {
            disagreement = look.counts.filter { $0 != count }.min()
            guard disagreement == nil else { return leave(now: now) }
            isAgreed = true
        }
        // One look alone may have been slow for a reason of its own. A member that looks seldom leaves slowly, too.
        lookPause = max(Self.leastLookPause, LookPause.after(min(cost, formerCost)))
        formerCost = cost
        nextLook = now.advanced(by: lookPause * Double.random(in: 0.9...1, using: &generator))
        nextTry = now
        let before = view
        view = look.members.union([id])
        if let former {
            let end = former.until ?? now.advanced(by: Self.grace)
            self.former = now < end ? (former.members, end) : nil
            if now < end { view.formUnion(former.members) }
        }
        if view != before { tries = 0 }
        formerOwners = owners
        owners = (0..<count).map { owner(of: $0, isTaken: look.taken.contains($0)) }
    }

    /// - Parameters:
    ///   - shares: Those that were granted.
    ///   - tried: All that were tried.
    mutating func took(_ shares: [Int], of tried: [Int], now: Instant) {
        for share in shares { held[share] = .running }
        tries = shares.isEmpty ? tries + 1 : 0
        nextTry = tries < Self.quickTries ? now.advanced(by: Self.tryPause) : nextLook
    }

    /// The body of a share has returned, and its lock is released.
    mutating func ended(_ share: Int, now: Instant) {
        held[share] = nil
        nextTry = now
    }

    /// The membership is to end.
    mutating func leave(now: Instant) {
        switch stage {
        case .absent: stage = .ending
        case .present: stage = .leaving
        case .leaving, .hidden, .ending: break
        }
    }

    // MARK: Owners

    /// The member that the share belongs to.
    private mutating func owner(of share: Int, isTaken: Bool) -> UInt32 {
        guard let first = ShareRanking.first(for: share, of: view), first != id else {
            fallbacks[share] = nil
            return id
        }
        var fallback = fallbacks[share].flatMap { $0.first == first ? $0 : nil } ?? Fallback(first: first)
        defer { fallbacks[share] = fallback }
        // It stays where it is as long as the first member is the same.
        if held[share] != nil { return fallback.depth > 0 ? id : first }
        // Members that are waited for after a loss need not be back yet.
        fallback.freeLooks = isTaken || former != nil ? 0 : fallback.freeLooks + 1
        if fallback.freeLooks == Self.freeLooks {
            fallback.freeLooks = 0
            fallback.depth = (fallback.depth + 1) % view.count
        }
        guard fallback.depth > 0 else { return first }
        let owner = ShareRanking.order(for: share, of: view)[fallback.depth % view.count]
        // Another member works on it after all.
        fallback.takenLooks = isTaken && owner == id ? fallback.takenLooks + 1 : 0
        guard fallback.takenLooks == Self.freeLooks else { return owner }
        fallback = Fallback(first: first)
        return first
    }
}
