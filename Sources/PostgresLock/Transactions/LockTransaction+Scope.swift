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
            result = try await ScopedBody.run(
                view: LockTransaction(driver: transaction),
                leases: [transaction.ending],
                cancelsOnLoss: driver.configuration.cancelsBodyOnLoss,
                isolation: isolation,
                enclosing: { [owner = ObjectIdentifier(driver)] in
                    [EnclosingLock(owner: owner, state: transaction.ending, kind: .transaction(key), task: .current)]
                },
                body
            )
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
