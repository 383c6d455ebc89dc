import LockCore
import Testing

@testable import PostgresLock

@Suite("One member of shared work")
struct ShareMembershipTests {
    private var now = Instant(nanoseconds: 0)
    private var member = ShareMembership(count: 16, returnLimit: .seconds(5), seed: 9, now: Instant(nanoseconds: 0))

    private var own: [Int] { (0..<16).filter { ShareRanking.first(for: $0, of: [member.id, 1, 2]) == member.id } }
    private var all: [Int] { Array(0..<16) }

    private mutating func pass(_ duration: Duration) { now = now.advanced(by: duration) }

    private mutating func next() -> ShareMembership.Step { member.next(now: now) }

    private mutating func look(_ others: Set<UInt32> = [], taken: Set<Int> = [], counts: Set<Int> = [16], cost: Duration = .zero) {
        #expect(next() == .look)
        member.looked(ShareLook(members: others.union([member.id]), taken: taken, counts: counts), cost: cost, now: now)
    }

    /// The member is alone, and has all shares.
    private mutating func joinAlone() {
        #expect(next() == .join(member.id))
        member.joined(now: now)
        look()
        #expect(next() == .take(all))
        member.took(all, of: all, now: now)
    }

    private mutating func passLook() {
        guard case .wait(let end) = next() else { return fail("It does not wait.") }
        now = end
    }

    private func fail(_ what: Comment) { Issue.record(what) }

    @Test("a member shows itself before it looks, and looks before it takes anything")
    mutating func joining() {
        let id = member.id
        #expect(next() == .join(id))
        member.refused(now: now)
        #expect(member.id != id)
        #expect(next() == .join(member.id))
        member.failed(now: now)
        #expect(next() == .wait(until: now.advanced(by: .seconds(1))))
        pass(.seconds(1))
        #expect(next() == .join(member.id))
        member.joined(now: now)
        #expect(next() == .look)
    }

    @Test("shares are given up only when two looks, one after the other, name the same owner; until then the bodies go on")
    mutating func twoLooks() {
        joinAlone()
        let given = all.filter { !own.contains($0) }
        passLook()
        look([1, 2], taken: Set(all))
        passLook()
        // The other owners are not the same as in the look before.
        look([3], taken: Set(all))
        passLook()
        look([1, 2], taken: Set(all))
        guard case .wait = next() else { return fail("Something was given up after one look.") }
        passLook()
        look([1, 2], taken: Set(all))
        #expect(next() == .end(given))
        #expect(member.running == own)
    }

    @Test("a share that belongs to the member again is not taken anew before its body has ended")
    mutating func endingShare() {
        joinAlone()
        let given = all.filter { !own.contains($0) }
        for _ in 1...2 {
            passLook()
            look([1, 2], taken: Set(all))
        }
        #expect(next() == .end(given))
        passLook()
        // The others are gone.
        look(taken: Set(all))
        guard case .wait = next() else { return fail("A share is taken whose body has not ended.") }
        member.ended(given[0], now: now)
        #expect(next() == .take([given[0]]))
    }

    @Test("shares that another member is to give up are tried every 50 ms, in one batch, and only they")
    mutating func tries() {
        #expect(next() == .join(member.id))
        member.joined(now: now)
        look([1, 2], taken: [own[0], own[1]])
        #expect(next() == .take(own))
        member.took(Array(own.dropFirst(2)), of: own, now: now)
        #expect(next() == .wait(until: now.advanced(by: .milliseconds(50))))
        pass(.milliseconds(50))
        #expect(next() == .take([own[0], own[1]]))
        member.took([own[0], own[1]], of: [own[0], own[1]], now: now)
        guard case .wait(let end) = next() else { return fail("It does not wait.") }
        #expect(now.duration(to: end) > .milliseconds(800), "Nothing is tried any more before the next look.")
    }

    @Test("a share that is not given up for long is tried after each look only")
    mutating func slowTries() {
        #expect(next() == .join(member.id))
        member.joined(now: now)
        var tryCount = 0
        var lookCount = 0
        while lookCount < 30 {
            switch next() {
            case .look:
                lookCount += 1
                member.looked(ShareLook(members: [member.id], taken: [0], counts: [16]), cost: .zero, now: now)
            case .take(let shares):
                tryCount += 1
                member.took(shares.filter { $0 > 0 }, of: shares, now: now)
            case .wait(let end): now = end
            case let other: return fail("\(other)")
            }
        }
        #expect((200...230).contains(tryCount))
    }

    @Test("looks are a second apart, or twenty times as long as each of the last two has taken, and 20 s at most")
    mutating func looks() {
        #expect(next() == .join(member.id))
        member.joined(now: now)
        for (cost, pause) in [(300, 1_000), (400, 6_000), (1, 1_000), (9_000, 1_000), (8_000, 20_000), (1, 1_000)] {
            look([1, 2], taken: Set(all), cost: .milliseconds(cost))
            member.took(own, of: own, now: now)
            guard case .wait(let end) = next() else { return fail("It does not wait.") }
            #expect((.milliseconds(pause * 9 / 10) ... .milliseconds(pause)).contains(now.duration(to: end)))
            now = end
        }
    }

    @Test("a member whose last look was slow does not leave more slowly")
    mutating func leavingAfterSlowLook() {
        #expect(next() == .join(member.id))
        member.joined(now: now)
        look(cost: .seconds(5))
        #expect(next() == .take(all))
        member.took(all, of: all, now: now)
        member.leave(now: now)
        #expect(next() == .hide)
        #expect(next() == .wait(until: now.advanced(by: .milliseconds(1_150))))
    }

    @Test(
        "a member leaves in two steps: it hides, works on for a little longer than a look, then ends its bodies, and finishes when all have"
    )
    mutating func leaving() {
        joinAlone()
        member.leave(now: now)
        #expect(next() == .hide)
        #expect(next() == .wait(until: now.advanced(by: .milliseconds(1_150))))
        #expect(member.running == all)
        pass(.milliseconds(1_150))
        #expect(next() == .end(all))
        #expect(next() == .wait(until: .distantFuture))
        for share in all { member.ended(share, now: now) }
        #expect(next() == .finish)
    }

    @Test("a member that has nothing leaves at once, in whatever stage it is")
    mutating func leavingEmpty() {
        var absent = member
        absent.leave(now: now)
        #expect(absent.next(now: now) == .finish)
        #expect(next() == .join(member.id))
        member.joined(now: now)
        member.leave(now: now)
        #expect(next() == .hide)
        #expect(next() == .finish)
    }

    @Test("a share that was free in four looks goes to the next member, and stays there while its first one is in view")
    mutating func fallback() throws {
        #expect(next() == .join(member.id))
        member.joined(now: now)
        let foreign = all.filter { !own.contains($0) }
        // Member 1 is another program; member 2 does not take what is the phantom's.
        let second = foreign.filter { ShareRanking.order(for: $0, of: [member.id, 1])[0] == 1 }
        for round in 1...4 {
            look([1], taken: round == 1 ? [] : Set(all).subtracting(second))
            if case .take(let shares) = next() { member.took(shares, of: shares, now: now) }
            #expect(Set(member.running).isDisjoint(with: second) == (round < 4))
            passLook()
        }
        #expect(member.running == all)
        // A further member between the two changes nothing.
        let order = { [id = member.id] (share: Int, other: UInt32) in ShareRanking.order(for: share, of: [id, 1, other]) }
        let other = try #require((2...10_000).first { id in second.contains { order($0, id)[0] == 1 && order($0, id)[1] == id } })
        let staying = second.filter { order($0, other)[0] == 1 }
        for _ in 1...6 {
            look([1, other], taken: Set(all))
            if case .end(let shares) = next() {
                #expect(Set(shares).isDisjoint(with: staying))
                for share in shares { member.ended(share, now: now) }
            }
            passLook()
        }
        #expect(Set(staying).isSubset(of: member.running))
        // When the first one changes, the shares are their owners' again.
        for _ in 1...2 {
            look([other], taken: Set(all))
            if case .end(let shares) = next() { for share in shares { member.ended(share, now: now) } }
            passLook()
        }
        #expect(member.running == all.filter { ShareRanking.first(for: $0, of: [member.id, other]) == member.id })
    }

    @Test("after the loss of its session a member gets its number back, and counts on the others for three seconds")
    mutating func returning() {
        joinAlone()
        let id = member.id
        passLook()
        look([1, 2], taken: Set(all))
        for share in all { member.ended(share, now: now) }
        member.lostKey(now: now)
        for _ in 0..<10 {
            #expect(next() == .join(id), "The lost session still has the key.")
            member.refused(now: now)
            #expect(next() == .wait(until: now.advanced(by: .milliseconds(250))))
            pass(.milliseconds(250))
        }
        #expect(next() == .join(id))
        member.joined(now: now)
        let begin = now
        // The others are not back yet.
        look()
        #expect(next() == .take(own))
        member.took(own, of: own, now: now)
        while true {
            passLook()
            look(taken: Set(own))
            guard case .take(let shares) = next() else { continue }
            #expect(shares == all.filter { !own.contains($0) })
            break
        }
        #expect(begin.duration(to: now) >= .seconds(3))
    }

    @Test("a member whose number stays taken takes another one after the time for which a server keeps the locks of a lost session")
    mutating func lostNumber() {
        joinAlone()
        let id = member.id
        member.lostKey(now: now)
        let begin = now
        while true {
            switch next() {
            case .join(id): member.refused(now: now)
            case .join: return #expect((.seconds(5) ... .milliseconds(5_250)).contains(begin.duration(to: now)))
            case .wait(let end): now = end
            case let other: return fail("\(other)")
            }
        }
    }

    @Test("each loss of a session has its own time in which the member gets its number back")
    mutating func secondLoss() {
        joinAlone()
        let id = member.id
        for _ in 1...2 {
            for share in all { member.ended(share, now: now) }
            member.lostKey(now: now)
            #expect(next() == .join(id))
            member.refused(now: now)
            pass(.milliseconds(250))
            #expect(next() == .join(id), "The number is given up.")
            member.joined(now: now)
            pass(.seconds(10))
        }
    }

    @Test("a member that counts on another number of shares takes nothing, and leaves")
    mutating func disagreement() {
        #expect(next() == .join(member.id))
        member.joined(now: now)
        look(counts: [16, 17])
        #expect(next() == .hide)
        #expect(next() == .finish)
        #expect(member.disagreement == 17)
    }

    @Test("a member that takes part is not disturbed by one that counts on another number of shares")
    mutating func laterDisagreement() {
        joinAlone()
        passLook()
        look(taken: Set(all), counts: [16, 17])
        guard case .wait = next() else { return fail("It does not wait.") }
        #expect(member.disagreement == nil)
    }

    @Test("a member that is back after a loss compares the number of shares anew")
    mutating func disagreementAfterLoss() {
        joinAlone()
        for share in all { member.ended(share, now: now) }
        member.lostKey(now: now)
        #expect(next() == .join(member.id))
        member.joined(now: now)
        look(counts: [16, 17])
        #expect(next() == .hide)
        #expect(member.disagreement == 17)
    }

    @Test("a server that does not answer changes nothing: the bodies go on, and it is asked again after a second")
    mutating func silence() {
        joinAlone()
        passLook()
        #expect(next() == .look)
        member.failed(now: now)
        #expect(next() == .wait(until: now.advanced(by: .seconds(1))))
        #expect(member.running == all)
    }
}
