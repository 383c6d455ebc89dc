import LibPQ
import LockServerModel
import PostgresLock
import Testing

@testable import PostgresLockTesting

/// A server in memory, for one test.
final class InMemoryTestServer: TestServer {
    let server = InMemoryLockServer()
    private let managers = Locked<[LockManager]>([])

    func manager(_ configure: (inout LockManager.Configuration) -> Void) throws -> LockManager {
        var configuration = LockManager.Configuration()
        // At the beginning of a run hundreds of tests want the machine's two cores.
        configuration.timeouts.unreachable = .seconds(300)
        configuration.timeouts.nested = .seconds(300)
        // Tests count the locks on the server.
        configuration.publicationDelay = .seconds(86_400)
        configure(&configuration)
        let manager = try server.makeManager(configuration: configuration)
        managers.withLock { $0.append(manager) }
        return manager
    }

    func locks(granted: Bool) async throws -> Int {
        server.look { model in
            model.lockedKeys.reduce(0) { count, key in
                guard granted else { return count + model.waitingCount(for: key) }
                let holders = model.holders(of: key)
                return count
                    + holders.indices.count { index in
                        !holders[..<index].contains { $0.session == holders[index].session && $0.mode == holders[index].mode }
                    }
            }
        }
    }

    func sessions() async throws -> Int { server.sessionCount }

    func endSessions(holding key: LockKey?) async throws {
        if let key { server.endSessions(holding: key) } else { server.endSessions() }
    }

    func close() async throws {
        for manager in managers.withLock({ $0 }) { await manager.shutdown(gracePeriod: .seconds(5)) }
        await server.expectNothingLeft()
    }

    func abandon() async {
        for manager in managers.withLock({ $0 }) { await manager.shutdown(gracePeriod: .zero) }
    }
}
