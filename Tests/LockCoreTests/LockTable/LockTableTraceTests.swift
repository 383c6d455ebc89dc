import Foundation
import LockCore
import Testing

/// Set `PGLOCK_TABLE_EVENTS` for more events, `PGLOCK_TABLE_SEED` to repeat a trace.
@Suite("The lock table under random events")
struct LockTableTraceTests {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap(UInt64.init)
    }

    @Test("in random traces the lock table excludes, keeps the order, and ends every call exactly once")
    func traces() async {
        let wanted = Int(Self.number("PGLOCK_TABLE_EVENTS") ?? 500_000)
        var seed = Self.number("PGLOCK_TABLE_SEED") ?? 1
        var total = (events: 0, grants: 0)
        repeat {
            var trace = TableTrace(seed: seed)
            trace.run(events: 2000)
            await Task.yield()
            total.events += trace.events
            total.grants += trace.model.grants
            guard trace.model.violations.isEmpty else {
                Issue.record("PGLOCK_TABLE_SEED=\(seed), event \(trace.events): \(trace.model.violations.prefix(3))")
                return
            }
            seed += 1
        } while total.events < wanted && Self.number("PGLOCK_TABLE_SEED") == nil
        // A table that grants nothing would break no promise about grants.
        #expect(total.grants > total.events / 20)
    }
}
