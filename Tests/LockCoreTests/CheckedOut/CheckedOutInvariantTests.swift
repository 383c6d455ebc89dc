import Testing

@testable import LockCore

@Suite("A checked-out session with a broken invariant")
struct CheckedOutInvariantTests {
    enum Fault: CaseIterable {
        case answerToNothing, answerInsteadOfCertainty, certaintyForNothing, otherOutcome
        case secondLock, secondRun, secondUnlock, secondEnd, secondOpen, secondCommit, secondRollback

        func happen() -> CheckedOutScript {
            var script = CheckedOutScript.session(holding: [1]) { $0.isLeased = true }
            script.isFaulty = true
            script.lock(2)
            switch self {
            case .answerToNothing:
                script.answer(.row(true))
                script.certify(true)
                script.answer()
            case .answerInsteadOfCertainty:
                script.answer(.row(true))
                script.answer()
            case .certaintyForNothing:
                script.certify(true)
            case .otherOutcome:
                script.end(by: .ended(.cancelled))
            case .secondLock: script.lock(3)
            case .secondRun: script.run("SELECT 1")
            case .secondUnlock: script.unlock(1)
            case .secondEnd: script.end()
            case .secondOpen: script.open()
            case .secondCommit: script.commit()
            case .secondRollback: script.rollBack()
            }
            return script
        }
    }

    #if DEBUG
        @Test("a broken invariant of a checked-out session traps in a debug build")
        func trap() async {
            for fault in Fault.allCases {
                await #expect(processExitsWith: .failure) { [index = fault.rawIndex as Int] in
                    _ = Fault.allCases[index].happen()
                }
            }
        }
    #else
        @Test(
            "a checked-out session with a broken invariant is given up in a release build, and the invariant is reported",
            arguments: Fault.allCases
        )
        func givenUp(fault: Fault) throws {
            var script = fault.happen()
            let events = script.takeEvents()
            guard case .invariantBroken = events.first, case .givenUp(let failure) = events.last, events.count == 2 else {
                throw Unexpected(events)
            }
            #expect(script.outcome == .failed(failure))
            #expect(script.session.loss == failure)
            #expect(!script.isClean)
        }
    #endif
}

extension CheckedOutInvariantTests.Fault {
    fileprivate var rawIndex: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
