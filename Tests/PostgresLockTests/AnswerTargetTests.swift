import LibPQ
import LockCore
import Testing

@testable import PostgresLock

@Suite("Whom an answer is for")
struct AnswerTargetTests {
    @Test("comes back from the token that goes with the submission, and no two have the same")
    func tokens() {
        let calls = [0, 1, 1 << 32, UInt64.max].map(RequestID.init)
        let targets: [AnswerTarget] =
            ReplyReading.allCases.map { .work($0) } + [.wait(catchesEnd: false), .wait(catchesEnd: true), .settings]
            + calls.flatMap { [.call($0, isLast: false), .call($0, isLast: true)] }
        for target in targets { #expect(AnswerTarget(target.token) == target) }
        #expect(Set(targets.map(\.token)).count == targets.count)
    }
}
