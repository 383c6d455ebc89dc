import LockCore
import Testing

@testable import PostgresLock

@Suite("Shares of work among many members, in simulated time")
struct ShareFleetTests {
    /// A fleet that has come to rest.
    private func fleet(_ count: Int, seed: UInt64, shares: Int = 64) -> ShareWorld {
        var world = ShareWorld(count: shares, seed: seed)
        for _ in 0..<count { world.join() }
        world.run(for: .seconds(10))
        world.resetCounts()
        return world
    }

    @Test("a fleet at rest has an owner for each share, tries nothing and moves nothing", arguments: [1, 2, 5, 20])
    func rest(members: Int) {
        var world = fleet(members, seed: 3)
        #expect(world.settledCount == 64)
        #expect(world.ids.count == members)
        world.run(for: .seconds(100))
        #expect(world.takenCount == 0 && world.tryCount == 0)
        #expect(world.settledCount == 64)
    }

    @Test(
        "members that join move as few shares as possible, and none is without an owner for longer than it takes to hand it over",
        arguments: 1...20
    )
    func join(seed: UInt64) {
        for joining in [1, 6] {
            var world = fleet(3, seed: seed)
            for _ in 0..<joining { world.join() }
            world.run(for: .seconds(10))
            #expect(world.settledCount == 64)
            let joined = world.running.suffix(joining)
            #expect(world.takenCount == world.shareKeys.values.count { joined.contains($0) })
            #expect(world.longestFree <= ShareMembership.tryPause)
        }
    }

    @Test("a member that leaves hands over its shares, and no other one moves", arguments: 1...20)
    func leave(seed: UInt64) {
        var world = fleet(4, seed: seed)
        let own = world.shareKeys.values.count { $0 == 2 }
        world.leave(2)
        world.run(for: .seconds(10))
        #expect(world.running == [1, 3, 4])
        #expect(world.settledCount == 64)
        #expect(world.takenCount == own)
        #expect(world.longestFree <= ShareMembership.tryPause)
    }

    @Test("the shares of a member that is killed have an owner again after one look", arguments: 1...20)
    func kill(seed: UInt64) {
        var world = fleet(4, seed: seed)
        let own = world.shareKeys.values.count { $0 == 2 }
        world.kill(2)
        world.run(for: .seconds(10))
        #expect(world.settledCount == 64)
        #expect(world.takenCount == own)
        #expect(world.longestFree <= ShareMembership.leastLookPause)
    }

    @Test(
        "a frozen member keeps its shares for the lease; then they have an owner after one look, and it takes part again when it wakes",
        arguments: 1...20
    )
    func freeze(seed: UInt64) {
        var world = fleet(4, seed: seed)
        world.freeze(2, for: .seconds(8), lease: .seconds(2))
        world.run(for: .seconds(3))
        #expect(world.longestFree <= ShareMembership.leastLookPause)
        #expect(!world.shareKeys.values.contains(2))
        world.run(for: .seconds(20))
        #expect(world.settledCount == 64)
        #expect(world.ids.count == 4)
    }

    @Test("after the loss of all sessions members come back one after the other, and each takes its own shares only", arguments: 1...20)
    func outage(seed: UInt64) {
        var world = fleet(5, seed: seed)
        let before = world.shareKeys
        for number in world.running { world.loseSession(of: number, notUntil: .seconds(1) + world.milliseconds(0...2_000)) }
        world.run(for: .seconds(20))
        #expect(world.takenCount == 64)
        #expect(world.shareKeys == before)
    }

    @Test("a key of another program in the members' class keeps no share from having an owner", arguments: 1...20)
    func phantom(seed: UInt64) {
        var world = fleet(4, seed: seed)
        world.phantoms = [UInt32(truncatingIfNeeded: seed &* 1_234_567)]
        world.run(for: .seconds(10))
        #expect(world.shareKeys.count == 64)
        world.resetCounts()
        world.run(for: .seconds(100))
        #expect(world.takenCount == 0 && world.tryCount == 0, "They stay where they are.")
        // The shares of a member that goes have an owner again, also those whose first choice is the phantom.
        world.kill(1)
        world.run(for: .seconds(20))
        #expect(world.shareKeys.count == 64)
        world.resetCounts()
        world.join()
        world.run(for: .seconds(20))
        #expect(world.shareKeys.count == 64)
        #expect(world.longestFree <= ShareMembership.tryPause, "A new member moves no share that has stayed with another one.")
        world.phantoms = []
        world.run(for: .seconds(20))
        #expect(world.settledCount == 64)
    }

    @Test("two keys of other programs keep no share from having an owner either")
    func phantoms() {
        var world = fleet(3, seed: 4)
        world.phantoms = [1, 2]
        world.kill(1)
        world.run(for: .seconds(30))
        #expect(world.shareKeys.count == 64)
    }

    @Test("members with the same number get different ones")
    func equalIDs() {
        var world = ShareWorld()
        for _ in 0..<5 { world.join(seed: 17) }
        world.run(for: .seconds(10))
        #expect(world.ids.count == 5)
        #expect(world.settledCount == 64)
    }

    @Test("whatever happens, the fleet comes to rest with an owner for each share", arguments: 1...40)
    func storm(seed: UInt64) {
        var world = fleet(3, seed: seed, shares: 32)
        var generator = SplitMix64(seed: seed &+ 1_000)
        world.longestReturn = .milliseconds([20, 300, 2_500].randomElement(using: &generator) ?? 20)
        for _ in 0..<60 {
            let numbers = world.running
            let number = numbers.randomElement(using: &generator) ?? 0
            switch Int.random(in: 0..<8, using: &generator) {
            case 0, 1: if numbers.count < 12 { world.join() }
            case 2: if numbers.count > 1 { world.leave(number) }
            case 3: if numbers.count > 1 { world.kill(number) }
            case 4: world.freeze(number, for: world.milliseconds(100...5_000))
            case 5: for number in numbers { world.loseSession(of: number, notUntil: .seconds(1) + world.milliseconds(0...1_500)) }
            case 6: world.loseSession(of: number)
            default: world.phantoms = world.phantoms.isEmpty ? [UInt32.random(in: .min ... .max, using: &generator)] : []
            }
            world.run(for: world.milliseconds(0...2_500))
        }
        world.phantoms = []
        world.run(for: .seconds(40))
        world.resetCounts()
        world.run(for: .seconds(60))
        // A share whose owner was frozen or away for four looks may have stayed with the next member.
        #expect(world.shareKeys.count == 32)
        #expect(world.takenCount == 0)
        let numbers = Set(world.running)
        #expect(world.shareKeys.values.allSatisfy(numbers.contains))
    }
}
