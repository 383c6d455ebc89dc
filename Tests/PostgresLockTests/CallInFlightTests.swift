import LibPQ
import Testing

@testable import LockCore
@testable import PostgresLock

@Suite("Statements in flight on a checked-out session")
struct CallInFlightTests {
    private static func call(_ statements: [CheckedOutSession.Statement]) -> CallInFlight {
        let submission = CheckedOutSession.Submission(statements: statements)
        let sql = CheckedOutStatements(scope: .session, session: .init(), settings: SessionSettings())
        return CallInFlight(submission, sql, on: ConnectionID(1))
    }

    private static func reply(_ isHeld: Bool) -> Reply {
        var reply = Reply()
        reply.booleans = [isHeld]
        return reply
    }

    @Test("each statement gets the replies to its SQL, however they come in pieces")
    func pieces() {
        let thorough = CheckedOutSession.Statement.reset(isThorough: true, mayDefer: false)
        let count = SessionSettings().reset(mayDefer: false).count
        #expect(count > 2)
        let replies = [Self.reply(true)] + Array(repeating: Reply(), count: count) + [Self.reply(false)]
        for cut in 0...replies.count {
            var call = Self.call([.nothing, thorough, .nothing])
            let first = call.note(Array(replies.prefix(cut)))
            let second = call.note(Array(replies.dropFirst(cut)))
            #expect(first.replies.count == (cut == 0 ? 0 : cut <= count ? 1 : cut == count + 1 ? 2 : 3))
            #expect((first.replies + second.replies).map(\.rows) == [[true], [], [false]])
        }
    }

    @Test("very many statements that are sent together cost no more than their number", .timeLimit(.minutes(10)))
    func many() {
        let count = 200_000
        var call = Self.call(Array(repeating: .nothing, count: count))
        let replies = call.note((0..<count).map { Self.reply($0.isMultiple(of: 3)) }).replies
        #expect(replies.map { $0.rows == [true] } == (0..<count).map { $0.isMultiple(of: 3) })
    }
}
