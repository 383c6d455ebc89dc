import Foundation
import Testing

@testable import PostgresLock

@Suite("The codes of lock errors")
struct LockErrorCodeTests {
    private typealias Code = LockError.Code

    /// The decisions for a code, as `HandlingErrors` tabulates them.
    private struct Decision: Hashable {
        var isContention = false
        var isOutage = false
        var isRetryable = false
    }

    private static let contention = Decision(isContention: true, isRetryable: true)
    private static let outage = Decision(isOutage: true, isRetryable: true)
    private static let outageInDoubt = Decision(isOutage: true)
    private static let neither = Decision()

    private static let decisions: [Code: Decision] = [
        .timedOut: contention, .deadlock: contention,
        .cannotConnect: outage, .tooManyConnections: outage, .notPrimary: outage, .anotherServer: outage, .noAnswer: outage,
        .poolExhausted: outage, .lockTableFull: outage, .capacity: outage,
        .connectionLost: outageInDoubt, .commitOutcomeUnknown: outageInDoubt, .shutDown: outageInDoubt,
        .lockLost: neither, .notReleased: neither, .alreadyHeld: neither, .authenticationFailed: neither, .serverTooOld: neither,
        .transactionPooling: neither, .locksDoNotExclude: neither, .badConfiguration: neither, .invalidArgument: neither,
        .statementFailed: neither, .decodingFailed: neither, .noRunTable: neither, .runMismatch: neither,
        .shareMismatch: neither, .limitMismatch: neither, .releaseRequested: neither,
    ]

    @Test("each code says whether it is contention, an outage, and retryable", arguments: LockError.Code.Name.allCases)
    func decisions(_ name: LockError.Code.Name) throws {
        let code = Code(name: name)
        let expected = try #require(Self.decisions[code])
        #expect(Decision(isContention: code.isContention, isOutage: code.isOutage, isRetryable: code.isRetryable) == expected)
        let error = LockError(code, "")
        #expect(Decision(isContention: error.isContention, isOutage: error.isOutage, isRetryable: error.isRetryable) == expected)
    }

    @Test("the article on errors has a row for each code, with the decisions that the code makes")
    func article() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../Sources/PostgresLock/Documentation.docc/HandlingErrors.md")
        let rows = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter { $0.hasPrefix("| `") }
        let documented = rows.map { row in row.split(separator: "|").prefix(4).map { $0.trimmingCharacters(in: .whitespaces) } }
        let codes = Code.Name.allCases.map(Code.init(name:))
        let decided = codes.map { code in
            ["`\(code)`"] + [code.isContention, code.isOutage, code.isRetryable].map { $0 ? "yes" : "no" }
        }
        #expect(Set(documented) == Set(decided))
        #expect(documented.count == decided.count)
    }

    @Test("no error is both contention and an outage")
    func kinds() {
        for code in Code.Name.allCases.map(Code.init(name:)) { #expect(!(code.isContention && code.isOutage), "\(code)") }
    }

    @Test("a catch clause with a code as its pattern catches the errors with this code only")
    func patterns() {
        func caught(_ error: any Error) -> String {
            do {
                throw error
            } catch LockError.Code.timedOut {
                return "timed out"
            } catch LockError.Code.noAnswer {
                return "no answer"
            } catch {
                return "another"
            }
        }
        #expect(caught(LockError(.timedOut, "")) == "timed out")
        #expect(caught(LockError(.noAnswer, "")) == "no answer")
        #expect(caught(LockError(.lockLost, "", underlying: LockError(.timedOut, ""))) == "another")
        #expect(caught(CancellationError()) == "another")
    }

    @Test("a switch over an error's code has codes as its cases")
    func switches() {
        let isTaken =
            switch LockError(.timedOut, "").code {
            case .timedOut, .deadlock: true
            default: false
            }
        #expect(isTaken)
    }

    @Test("an error that is made by hand has what it was made with")
    func initializer() {
        let error = LockError(.deadlock, "Busy.", sqlState: "40P01", keys: ["a", "b"], underlying: CancellationError())
        #expect(error.description == "deadlock: Busy.")
        #expect(error.sqlState == "40P01")
        #expect(error.keys == ["a", "b"])
        #expect(error.underlying is CancellationError)
        #expect(error.debugDescription.contains("SQLSTATE 40P01"))
    }
}
