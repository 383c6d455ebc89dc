import LibPQ
import LockCore

/// Looks at the locks on the server, over a session of the manager's pool, so that no lock has to wait for a look.
struct ServerLooks: Sendable {
    let driver: LockDriver

    /// - Parameters:
    ///   - timeout: How long to wait for a session.
    ///   - limit: How long the server may take.
    func find(_ look: LockLook, timeout: Duration? = nil, limit: Duration? = nil) async throws -> LockLook.Found {
        if let found = await driver.lookDirectly(look) { return found }
        return try await LockTransaction.run(
            over: driver,
            nil,
            locking: nil,
            mode: .exclusive,
            timeout: timeout,
            isolation: nil
        ) { transaction in
            try await transaction.ignoreDefaults()
            return try await find(look, in: transaction, limit: limit)
        }
    }

    /// - Parameter transaction: One that ignores the defaults of its role.
    func find(_ look: LockLook, in transaction: LockTransaction, limit: Duration? = nil) async throws -> LockLook.Found {
        try await transaction.execute(LockLook.loops)
        if let limit {
            try await transaction.execute("SET LOCAL statement_timeout = \(max(1, limit.whole(.milliseconds(1))))")
        }
        return LockLook.read(try await transaction.query(look.sql).result)
    }

    func holders(of key: LockKey) async throws -> [LockHolder] {
        try await find(LockLook(keys: [key.advisory])).locks
            .filter { $0.isHeld && $0.key == key.advisory }
            .map { LockHolder($0, key: key) }
    }

    func waiters(of key: LockKey) async throws -> [LockWaiter] {
        try await find(LockLook(keys: [key.advisory])).locks
            .filter { !$0.isHeld && $0.key == key.advisory }
            .enumerated()
            .map { LockWaiter($1, key: key, position: $0) }
    }
}
