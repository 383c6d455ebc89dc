extension LockTransaction {
    /// Runs the body in a transaction: see ``LockManager/withTransaction(locking:mode:timeout:isolation:_:)``.
    static func run<Result>(
        over driver: LockDriver,
        locking key: LockKey?,
        mode: LockMode,
        timeout: Duration?,
        isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) (LockTransaction) async throws -> Result
    ) async throws -> Result {
        let transaction = try await SessionDriver.beginTransaction(key, mode, timeout, on: driver)
        let result: Result
        do {
            let scope = ScopedBody(driver: driver, states: [transaction.ending], kind: .transaction(key))
            result = try await scope.run(LockTransaction(driver: transaction), isolation: isolation, body)
        } catch {
            let wasAborted = await transaction.rollBack()
            // If one of its statements had failed, the body has its error.
            if !wasAborted, let loss = transaction.ending.lateLoss { throw loss.caused(by: error) }
            throw error
        }
        try await transaction.commit()
        return result
    }
}
