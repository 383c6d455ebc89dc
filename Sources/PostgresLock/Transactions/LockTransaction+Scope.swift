extension LockTransaction {
    /// Runs the body in a transaction: see ``LockManager/withTransaction(locking:mode:timeout:isolation:_:)``.
    static func run<Result>(
        over driver: LockDriver,
        _ observation: Observation?,
        locking key: LockKey?,
        mode: LockMode,
        timeout: Duration?,
        isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) (LockTransaction) async throws -> Result
    ) async throws -> Result {
        let call = observation?.begin(.transaction, key.map { [LockRequest($0, mode: mode)] } ?? [])
        let session: SessionDriver
        do {
            session = try await begin(key, mode, timeout, on: driver)
        } catch {
            // As of a lock without a transaction: it is taken, and the call does not wait.
            if timeout == .zero, LockError.Code.timedOut ~= error { call?.refused() } else { call?.ended(by: error) }
            throw error
        }
        call?.granted([session.ending])
        do {
            let transaction = LockTransaction(driver: session, observation: observation)
            let result = try await run(transaction, key, call, isolation: isolation, body)
            call?.ended()
            return result
        } catch {
            call?.ended(by: error)
            throw error
        }
    }

    private static func begin(_ key: LockKey?, _ mode: LockMode, _ timeout: Duration?, on driver: LockDriver) async throws -> SessionDriver
    {
        do {
            return try await SessionDriver.beginTransaction(key, mode, timeout, on: driver)
        } catch {
            // A call that does not wait is told at once.
            if timeout == .zero { throw error }
            throw await driver.explanations.explain(error, by: driver)
        }
    }

    private static func run<Result>(
        _ transaction: LockTransaction,
        _ key: LockKey?,
        _ call: ObservedCall?,
        isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) (LockTransaction) async throws -> Result
    ) async throws -> Result {
        let driver = transaction.driver
        let result: Result
        let scope = ScopedBody(driver: driver.lockDriver, states: [driver.ending], kind: .transaction(key), call: call)
        do {
            result = try await scope.run(transaction, isolation: isolation, body)
        } catch {
            let wasAborted = await driver.rollBack()
            // If one of its statements had failed, the body has its error.
            if !wasAborted, let loss = driver.ending.lateLoss { throw loss.caused(by: error) }
            throw scope.explaining(error)
        }
        try await driver.commit()
        return result
    }
}
