import ArgumentParser
import PostgresLock

/// `LockDemo demo-stale-holder`: the process that `LockDemo` stops while it holds a lock. Not for users.
///
/// It takes the lock, and writes on an order without checking the lock again, like a process that is stopped between its check and its
/// write.
struct StaleHolderCommand: AsyncParsableCommand {
    static let name = "demo-stale-holder"
    static let lockName = "demo:account"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Run as the process that the demonstration stops while it holds a lock.",
        shouldDisplay: false
    )

    @Option(name: .customLong("lease-of-lock")) var lease: Double

    func run() async throws {
        try await DemoWorkerCommand.work(lease: .seconds(lease)) { database, orders in
            let lock = try await database.locks.acquire(LockKey(Self.lockName), timeout: .seconds(30))
            let token = lock.fencingToken
            DemoWorker.report(.holding(token: token?.description ?? "none"))
            await orders.waitForGo()
            let isHeld = lock.isHeld
            let isAccepted = try await database.write("the stopped process", fencedBy: token)
            DemoWorker.report(.wrote(isHeld: isHeld, isAccepted: isAccepted))
            do {
                try await lock.release()
            } catch LockError.Code.lockLost {
                // The loss is expected.
            }
        }
    }
}
