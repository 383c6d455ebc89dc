import Testing

@testable import LockCore

@Suite("Timelines of servers")
struct PromotionVerdictTests {
    private static let sessions: [ConnectionID: UInt32] = [1: 3, 2: 2, 3: 3, 4: 2]

    @Test("sessions on a server that was replaced are lost when a session on the promoted server is opened, in their order")
    func promoted() {
        #expect(PromotionVerdict(of: 3, among: Self.sessions) == .latest(replaced: [2, 4]))
        #expect(PromotionVerdict(of: 4, among: Self.sessions) == .latest(replaced: [1, 2, 3, 4]))
        #expect(PromotionVerdict(of: 1, among: [:]) == .latest(replaced: []))
    }

    @Test("a new session on a lower timeline than that of an open session is not used, and ends no session")
    func late() {
        #expect(PromotionVerdict(of: 2, among: Self.sessions) == .replaced(by: 3))
    }
}
