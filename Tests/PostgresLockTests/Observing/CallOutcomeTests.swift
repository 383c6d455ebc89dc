import CoreMetrics
import Foundation
import MetricsTestKit
import Testing

@testable import PostgresLock

/// Without a server: what a call that has failed is recorded as.
@Suite("Outcomes of calls")
struct CallOutcomeTests {
    /// The codes whose outcome is not `error`, as `Observing` lists them.
    private static let outcomes: [LockError.Code: String] = [
        .timedOut: "timed_out", .deadlock: "deadlock", .capacity: "capacity", .lockTableFull: "capacity", .shutDown: "shut_down",
    ]

    /// What metrics and spans record of a call that this error ends.
    private static func recorded(_ error: any Error) throws -> [String: String] {
        let metrics = TestMetrics()
        let target = LockManager.Configuration.Metrics.Target(factory: metrics, name: "test", interval: .seconds(1))
        let observation = Observation(name: nil, logger: nil, metrics: CallMetrics(target, name: nil), tracing: nil)
        observation.begin(.lock, [.exclusive("a")]).ended(by: error)
        let timer = try #require(metrics.timers.first)
        #expect(metrics.timers.count == 1)
        #expect(timer.values.count == 1)
        return Dictionary(uniqueKeysWithValues: timer.dimensions)
    }

    @Test("each code of an error has its outcome, or else names itself in error.type", arguments: LockError.Code.Name.allCases)
    func codes(_ name: LockError.Code.Name) throws {
        let code = LockError.Code(name: name)
        let dimensions = try Self.recorded(LockError(code, ""))
        #expect(dimensions["pglock.outcome"] == Self.outcomes[code] ?? "error")
        #expect(dimensions["error.type"] == (Self.outcomes[code] == nil ? "\(code)" : nil))
    }

    @Test("a cancelled call is no error, and an error of another type is one without a name")
    func others() throws {
        struct Mistake: Error {}
        let cancelled = try Self.recorded(CancellationError())
        #expect(cancelled["pglock.outcome"] == "cancelled")
        #expect(cancelled["error.type"] == nil)
        let mistake = try Self.recorded(Mistake())
        #expect(mistake["pglock.outcome"] == "error")
        #expect(mistake["error.type"] == "_OTHER")
    }

    @Test("the article on observing lists all outcomes, and no others")
    func article() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../Sources/PostgresLock/Documentation.docc/Observing.md")
        let text = try String(contentsOf: file, encoding: .utf8)
        let start = try #require(text.firstRange(of: "- `pglock.outcome` is "))
        let list = text[start.upperBound...].prefix { $0 != "." }
        // Every second part is inside a pair of backquotes.
        let names = list.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { !$0.offset.isMultiple(of: 2) }
        #expect(Set(names.map { String($0.element) }) == Set(CallOutcome.allCases.map(\.rawValue)))
    }
}
