import LibPQ
import LockCore

/// Shows the other processes with which limit this one takes part, and finds out whether theirs is another.
///
/// The lock on the limit is held from the first use on, until the semaphore is gone. It comes before the look, so of two processes that begin at
/// the same time at least one sees the other.
final class SemaphoreAgreement: Sendable {
    private let keys: SemaphoreKeys
    private let locks: LockManager
    /// The lock on the limit, once no other limit was found.
    private let marker = Locked<LockState?>(nil)

    init(_ keys: SemaphoreKeys, _ locks: LockManager) {
        self.keys = keys
        self.locks = locks
    }

    deinit { put(nil) }

    /// - Throws: ``LockError`` with the code ``LockError/Code/limitMismatch`` if another process has another limit.
    nonisolated(nonsending) func reach(timeout: Duration?) async throws {
        if let marker = marker.withLock({ $0 }), marker.isHeld { return }
        let limit = timeout.map { ContinuousClock.now + $0.bounded }
        let marker = try await locks.driver.waitForLock(keys.agreement, .shared, timeout, nil)
        do {
            try await look(timeout: limit.map { max(ContinuousClock.now.duration(to: $0), .milliseconds(1)) })
        } catch {
            if marker.beginRelease() { locks.driver.giveBack([marker]) }
            throw error
        }
        put(marker)
    }

    /// Several tasks may have looked at the same time. One of their locks is kept.
    private func put(_ new: LockState?) {
        let former = marker.withLock { marker in
            defer { marker = new }
            return marker
        }
        if let former, former.beginRelease() { locks.driver.giveBack([former]) }
    }

    private nonisolated(nonsending) func look(timeout: Duration?) async throws {
        guard let other = try await otherLimit(timeout) else { return }
        throw LockError(
            .limitMismatch,
            """
            The semaphore "\(keys.name)" in \(locks.driver.databaseName) has \(keys.limit) permits here, and \(other.limit) for \(other.name): \
            together they could give out more than either wants. Give all the same limit, or end the processes with the other one first.
            """,
            keys: [keys.agreement]
        )
    }

    /// Shared locks on other limits in this database. The parameters are the class, and the limit.
    private static let rows = """
        SELECT l.objid::int8, l.pid, a.application_name FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.objsubid = 2 AND l.classid = $1::oid AND l.objid <> $2::oid AND l.mode = 'ShareLock' ORDER BY l.pid LIMIT 1
        """

    private nonisolated(nonsending) func otherLimit(_ timeout: Duration?) async throws -> (limit: Int64, name: String)? {
        if let lister = await locks.driver.lister {
            let others = try lister.locks(inClasses: [keys.limitClass]).filter { $0.mode == .shared && $0.key != keys.agreement.advisory }
            return others.first.map { (Int64($0.key.pair.second), "another process") }
        }
        return try await locks.withTransaction(timeout: timeout) { [keys] transaction in
            try await transaction.ignoreDefaults()
            let parameters = [SQLParameter.string("\(UInt32(bitPattern: keys.limitClass))"), .string("\(keys.limit)")]
            guard let row = try await transaction.query(Self.rows, parameters).first else { return nil }
            let name = try row.decode(2, as: String?.self).map { "\"\($0)\"" } ?? "a session"
            return (try row.decode(0), "\(name) (process \(try row.decode(1, as: Int32.self)) of the server)")
        }
    }
}
