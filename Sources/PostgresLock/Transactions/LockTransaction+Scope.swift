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
        do {
            let session = try await SessionDriver.beginTransaction(key, mode, timeout, on: driver)
            call?.granted([session.ending])
            let transaction = LockTransaction(driver: session, observation: observation)
            let result = try await run(transaction, key, call, isolation: isolation, body)
            call?.ended()
            return result
        } catch {
            call?.ended(by: error)
            throw error
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
        do {
            let scope = ScopedBody(driver: driver.lockDriver, states: [driver.ending], kind: .transaction(key), call: call)
            result = try await scope.run(transaction, isolation: isolation, body)
        } catch {
            let wasAborted = await driver.rollBack()
            // If one of its statements had failed, the body has its error.
            if !wasAborted, let loss = driver.ending.lateLoss { throw loss.caused(by: error) }
            throw error
        }
        try await driver.commit()
        return result
    }
}
