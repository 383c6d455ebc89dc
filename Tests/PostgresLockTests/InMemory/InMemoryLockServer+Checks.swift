import PostgresLock
import Testing

@testable import LockCore
@testable import LockServerModel
@testable import PostgresLockTesting

extension InMemoryLockServer {
    /// Understands the few kinds of SQL that tests use, and keeps the work that it is asked for.
    static func understandingSQL(lockTableSize: Int? = nil) -> InMemoryLockServer {
        InMemoryLockServer(lockTableSize: lockTableSize, body: SimulatedBody.init(sql:))
    }

    func look<Result>(_ body: (SimulatedServer) -> Result) -> Result {
        timeline.run { body(model) }
    }

    /// Waits until the condition is true.
    ///
    /// - Returns: Whether it has become true within half a minute.
    func reaches(_ condition: @escaping @Sendable (SimulatedServer) -> Bool) async -> Bool {
        let limit = ContinuousClock.now + .seconds(300)
        // Something is due then, so that the condition is looked at.
        timeline.send { [timeline] in timeline.agenda.plan(after: .seconds(300)) {} }
        await timeline.wait { [self] in condition(model) || ContinuousClock.now >= limit }
        return look(condition)
    }

    /// Waits until a session was asked for such work.
    func wasAsked(_ isWanted: @escaping @Sendable (Engine.Work) -> Bool) async -> Bool {
        await reaches { [self] _ in works?.contains(where: isWanted) == true }
    }

    /// Waits until so many sessions wait for a lock.
    func hasWaiting(_ count: Int) async -> Bool {
        await reaches { $0.sessions.values.count(where: \.isBlocked) == count }
    }

    var commitCount: Int { timeline.run { record.commitCount } }

    /// Nothing holds or wants a lock, no session is open, and no rule of the model was broken.
    func expectNothingLeft(sourceLocation: SourceLocation = #_sourceLocation) async {
        let isEmpty = await reaches { $0.sessions.isEmpty && $0.lockedKeys.isEmpty }
        let (sessions, keys, violations) = timeline.run { (model.sessions.count, model.lockedKeys, record.violations) }
        #expect(isEmpty, "\(sessions) sessions, and the keys \(keys)", sourceLocation: sourceLocation)
        #expect(violations == [], sourceLocation: sourceLocation)
    }
}

extension SimulatedBody {
    /// Reads the few kinds of SQL that tests use.
    init(sql: String) {
        let words = sql.split(separator: " ").map(String.init)
        let name = words.last ?? ""
        self =
            switch words.first {
            case "SAVEPOINT": .savepoint(name)
            case "RELEASE": .releaseSavepoint(name)
            case "ROLLBACK": words.count > 1 ? .rollBackToSavepoint(name) : .rollBack(chained: false)
            case "COMMIT": .commit(chained: false)
            case "MISTAKE": .mistake
            case "SLEEP": .work(.seconds(3600))
            default: .work(.zero)
            }
    }
}
