import Foundation
import LockCore
import Testing

@testable import PostgresLock

@Suite("Which session leads")
struct LeaderTests {
    @Test("the leader is the session that holds the lead, since its latest term")
    func leader() throws {
        let rows = [
            Leader.Row(processID: 1, applicationName: "other", termStart: 900),
            Leader.Row(processID: 2, applicationName: "a", termStart: 100),
            Leader.Row(processID: 2, applicationName: "a", termStart: nil), Leader.Row(processID: 2, applicationName: "a", termStart: 200),
        ]
        #expect(try #require(Leader(rows)) == Leader(name: "a", since: Date(timeIntervalSince1970: 200), processID: 2))
    }

    @Test("a leader that has not published its term, or has no name, is one all the same")
    func incomplete() throws {
        let rows = [
            Leader.Row(processID: 2, applicationName: nil, termStart: nil), Leader.Row(processID: 1, applicationName: "b", termStart: 5),
        ]
        #expect(try #require(Leader(rows)) == Leader(name: "", since: nil, processID: 2))
    }

    @Test("without a holder of the lead no session leads, whatever terms are published")
    func none() {
        #expect(Leader([]) == nil)
        #expect(Leader([Leader.Row(processID: 1, applicationName: "a", termStart: 5)]) == nil)
    }

    @Test("an answer is used again for twenty times as long as it took to get, and 20 s at most")
    func remembered() {
        let look = RememberedLook(nil, asked: Instant(nanoseconds: 1_000), answered: Instant(nanoseconds: 1_100))
        #expect(look.isValid(at: Instant(nanoseconds: 3_099)))
        #expect(!look.isValid(at: Instant(nanoseconds: 3_100)))
        let slow = RememberedLook(nil, asked: Instant(nanoseconds: 0), answered: Instant(nanoseconds: 5_000_000_000))
        #expect(slow.isValid(at: Instant(nanoseconds: 24_000_000_000)))
        #expect(!slow.isValid(at: Instant(nanoseconds: 25_000_000_000)))
    }

    @Test(
        "a look at the leader that the server does not answer ends by a limit, and the error says so",
        .server(),
        .direct("nothing can connect to the pooler's server meanwhile")
    )
    func unansweredLook() async throws {
        let database = try TestDatabase.get()
        let (locks, other) = (try database.manager(), try database.manager())
        // It has its session before, since no session can begin while the catalog is locked.
        #expect(try await locks.leader(of: "a") == nil)
        try await other.withTransaction { transaction in
            try await transaction.execute("LOCK TABLE pg_catalog.pg_database IN ACCESS EXCLUSIVE MODE")
            let error = await lockError { try await locks.requestStepDown(of: "a", timeout: .seconds(5)) }
            #expect(error?.code == .noAnswer, "\(String(describing: error))")
            #expect(error?.message.contains("which session leads") == true, "\(String(describing: error))")
        }
        #expect(try await locks.leader(of: "a") == nil)
    }

    @Test("the keys of an election are those that the documentation gives to other languages")
    func keys() throws {
        let keys = try LeadershipKeys("scheduler")
        #expect(keys.lead == LockKey("scheduler"))
        let term = LockKey("pglock:term:scheduler").advisory.shown
        let resign = LockKey("pglock:resign:scheduler").advisory.shown
        #expect(keys.shownTermClass == term.high)
        #expect(keys.term(start: .max) == LockKey(Int32(bitPattern: term.high), -1))
        #expect(keys.stepDown(of: 4711) == LockKey(Int32(bitPattern: resign.high), 4711))
        #expect(throws: LockError.self) { try LeadershipKeys("") }
    }
}
