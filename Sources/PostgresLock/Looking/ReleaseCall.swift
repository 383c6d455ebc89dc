import LibPQ
import LockCore

/// Asks the holders of a lock for its release.
struct ReleaseCall: Sendable {
    let locks: LockManager
    let key: LockKey
    let timeout: Duration

    /// Asks all holders, or one, at the same time.
    ///
    /// - Returns: Those that have released the lock.
    /// - Throws: The first failure, once all holders have released the lock or could not be made to.
    func run(_ processID: Int32?) async throws -> [LockHolder] {
        try await refuseOwnScope(processID)
        let holders = try await ServerLooks(driver: locks.driver).holders(of: key)
            .filter { processID == nil || $0.processID == processID }
        return try await withThrowingTaskGroup { group in
            for holder in holders { group.addTask { try await ask(holder) } }
            var failure: (any Error)?
            while let result = await group.nextResult() {
                if case .failure(let error) = result { failure = failure ?? error }
            }
            if let failure { throw failure }
            return holders
        }
    }

    /// Refuses a request that would wait for itself: a scope around this call holds the lock, and can't end before it.
    private func refuseOwnScope(_ processID: Int32?) async throws {
        for scope in locks.driver.enclosing where scope.isHeldByThisTask && scope.keys.contains(where: { $0.advisory == key.advisory }) {
            if let processID, await Self.processID(of: scope, locks.driver) != processID { continue }
            throw LockError(
                .alreadyHeld,
                """
                This task holds the lock \(key) itself, in a scope around the request for its release, which would wait for the end of that scope \
                without end. Return from the body of the scope.
                """,
                keys: [key]
            )
        }
    }

    private static func processID(of scope: EnclosingLock, _ driver: isolated LockDriver) -> Int32? {
        let session = driver.checkedOut.values.first { $0.ending === scope.state }?.id ?? driver.engine.session(of: scope.state.id)
        return session.flatMap { driver.sessions[$0]?.processID }
    }

    /// Asks one session, until it does not hold the lock any more, or its manager answers that it has released it.
    ///
    /// The request is a transaction: its session has the name of the request, and holds the key of the holder's mailbox. So it ends with this
    /// process in any case.
    private func ask(_ holder: LockHolder) async throws {
        guard let processID = holder.processID else { throw refusal(holder, "is a prepared transaction, which only SQL ends") }
        let number = UInt32.random(in: .min ... .max)
        let request = Engine.ReleaseRequest(key: key.advisory, number: number)
        let limit = ContinuousClock.now + timeout
        try await locks.unobserved.withTransaction(timeout: timeout) { transaction in
            try await transaction.ignoreDefaults()
            try await transaction.execute("SET LOCAL application_name = '\(ReleaseProtocol.name(request, to: processID))'")
            // Not a try, which the holder's own look would refuse.
            try await transaction.acquire(ReleaseProtocol.mailbox(of: processID), mode: .shared, timeout: timeout)
            var nextLook = ContinuousClock.now
            while true {
                if try await isOver(number, processID, transaction) { return }
                let begin = ContinuousClock.now
                if begin >= min(nextLook, limit) {
                    guard try await isHeld(by: processID, transaction) else { return }
                    // A look walks through all locks of the server.
                    nextLook = .now + max(.milliseconds(200), (.now - begin) * 10)
                }
                guard begin < limit else {
                    let isOwn = await locks.driver.processIDs.contains(processID)
                    throw refusal(holder, "was asked to release it, and holds it still. \(isOwn ? Self.ownReasons : Self.reasons)")
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    private static let reasons = """
        It may be about to end its work, not heed requests, or be another kind of program. Give it more time, or end its session \
        (pglock kick --terminate)
        """
    private static let ownReasons = """
        It is a session of this very lock manager: a handle is not released, or a body goes on, maybe because the manager's releaseRequests \
        are not to cancel it
        """

    /// Whether the answer's lock is held, or the holder's session is gone. The try takes the lock for a moment.
    private func isOver(_ number: UInt32, _ processID: Int32, _ transaction: LockTransaction) async throws -> Bool {
        let key = Self.arguments(ReleaseProtocol.answer(to: number))
        let rows = try await transaction.query(
            """
            SELECT CASE WHEN NOT EXISTS (SELECT FROM pg_stat_get_activity(\(processID))) THEN true \
            WHEN pg_try_advisory_lock(\(key)) THEN NOT pg_advisory_unlock(\(key)) ELSE true END
            """
        )
        return try rows[0].decode(0)
    }

    private func isHeld(by processID: Int32, _ transaction: LockTransaction) async throws -> Bool {
        let found = try await ServerLooks(driver: locks.driver).find(LockLook(keys: [key.advisory]), in: transaction)
        return found.locks.contains { $0.isHeld && $0.key == key.advisory && $0.session.processID == processID }
    }

    private func refusal(_ holder: LockHolder, _ reason: String) -> LockError {
        LockError(
            .timedOut,
            "The holder of the lock \(key) in \(locks.driver.databaseName), \(holder), \(reason).",
            keys: [key],
            holders: [holder]
        )
    }

    private static func arguments(_ key: LockKey) -> String {
        key.pair.map { "\($0.first), \($0.second)" } ?? "\(key.number ?? 0)"
    }
}
