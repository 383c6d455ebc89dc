import LockCore
import Testing

@testable import PostgresLock

@Suite("What people are told of failures")
struct FailureMessageTests {
    private static let causes: [Failure.Cause] = [
        .stillConnecting, .unanswered, .noAnswer, .silent, .gone, .shutDown, .unexpectedAnswer, .unexpectedToken, .noAnswerToCommit,
        .unknownHold(nil, .noAnswer), .unknownHold(AdvisoryKey(7), .said("Out of memory.")), .unknownRollback, .unknownWait, .notHeld,
        .notHeldAtServer(nil), .notHeldAtServer(AdvisoryKey(7)), .modeIsChanging, .releasedWithoutToken, .endedBySQL,
        .impossibleSession("it was so"), .impossibleLock("it was so"),
    ]

    @Test("each cause has a sentence of its own")
    func sentences() {
        let texts = Self.causes.map { Failure(.connectionLost, $0).message }
        for text in texts {
            #expect(text.first?.isUppercase == true && text.last == ".", "\(text)")
            #expect(!text.contains(".."), "\(text)")
        }
        #expect(Set(texts).count == texts.count)
    }

    @Test("the server's words come through, and a key is named")
    func words() {
        #expect(Failure(.statement, "Division by zero").message == "Division by zero")
        let unknown = Failure(.connectionLost, .unknownHold(AdvisoryKey(7), .said("Out of memory."))).message
        #expect(unknown == "Whether the lock \(AdvisoryKey(7)) is held can't be found out: Out of memory.")
    }

    @Test("a refusal for want of room says how many locks there are, and where the limit comes from")
    func fullness() {
        func message(_ count: Int, isAll: Bool, _ capacity: Engine.Capacity, of size: Int?) -> String {
            Failure(.capacity, .full(Failure.Fullness(count: count, isAll: isAll, capacity: capacity, lockTableSize: size))).message
        }
        #expect(
            message(3, isAll: false, .keys(3), of: 6)
                == "This manager holds or asks for 3 locks already, which is the configured limit"
        )
        let all = message(16, isAll: true, .fraction(0.5), of: 32)
        #expect(
            all.hasPrefix("All sessions of the server together hold or ask for 16 locks already, which is at least 0.5 of the 32 that ")
        )
        #expect(all.contains("max_locks_per_transaction"))
        #expect(message(3, isAll: false, .fraction(0.5), of: 6).contains("which is 0.5 of the 6 that "))
    }
}
