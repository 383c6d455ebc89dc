import Testing

@testable import PostgresLock

@Suite("The owners of shares")
struct ShareRankingTests {
    @Test("a member that joins or leaves moves its own shares only")
    func moves() throws {
        let members: [UInt32] = [7, 1_000_000, 3_000_000_000, 42, 99]
        for share in 0..<256 {
            let without = try #require(ShareRanking.first(for: share, of: members.dropLast()))
            let with = try #require(ShareRanking.first(for: share, of: members))
            #expect(with == without || with == 99)
        }
    }

    @Test(
        "shares are divided evenly among members, whatever their numbers",
        arguments: [[1, 2, 3, 4], [0, 1 << 16, 1 << 31, .max]] as [[UInt32]]
    )
    func even(members: [UInt32]) {
        let owners = (0..<4_000).compactMap { ShareRanking.first(for: $0, of: members) }
        for member in members { #expect((900...1_100).contains(owners.count { $0 == member })) }
    }

    @Test("the order of members begins with the owner, and does not depend on the order in which they are seen")
    func order() {
        let members: [UInt32] = [5, 6, 7, 8]
        for share in 0..<64 {
            let order = ShareRanking.order(for: share, of: members)
            #expect(order == ShareRanking.order(for: share, of: members.reversed()))
            #expect(order.first == ShareRanking.first(for: share, of: members))
            #expect(Set(order) == Set(members))
        }
    }

    @Test("the scores are those that the documentation gives to other languages")
    func scores() {
        #expect(ShareRanking.score(of: 0, for: 0) == 0xE220_A839_7B1D_CDAF)
        #expect(ShareRanking.score(of: 1, for: 2) == 0xB370_3AD8_9450_7022)
        #expect(ShareRanking.score(of: .max, for: 63) == 0xE173_B89D_4F84_3FF1)
    }
}
