import PostgresLock

/// Takes a lock, and writes on an order without checking the lock again, like a process that is stopped between its check and its
/// write.
struct StaleHolder {
    static let lockName = "demo:account"

    let database: DemoDatabase
    let orders: WorkerOrders

    func run() async throws {
        let lock = try await database.locks.acquire(LockKey(Self.lockName), timeout: .seconds(30))
        let token = lock.fencingToken
        DemoWorker.report(.holding(token: token?.description ?? "none"))
        await orders.waitForGo()
        let isHeld = lock.isHeld
        let isAccepted = try await database.write("the stopped process", fencedBy: token)
        DemoWorker.report(.wrote(isHeld: isHeld, isAccepted: isAccepted))
        do {
            try await lock.release()
        } catch let error as LockError where error.code == .lockLost {
            // The loss is expected.
        }
    }
}
