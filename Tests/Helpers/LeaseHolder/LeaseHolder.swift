import Foundation
import PostgresLock

/// A process that holds one lock, to be frozen and woken up by a test: it writes to a table under the lock, again and again,
/// as long as it believes in the lock, and says on its output what it believes.
///
/// Arguments: a connection string, and the lease in seconds; `flood` after that, to have the lock in a transaction that receives
/// more than anything can buffer.
@main
struct LeaseHolder {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3, let lease = Int(arguments[2]) else {
            print("usage: LeaseHolder URL LEASE [flood]")
            return
        }
        var configuration = LockManager.Configuration(url: arguments[1])
        configuration.lease = .seconds(lease)
        let locks = try LockManager(configuration: configuration)
        guard !arguments.dropFirst(3).contains("flood") else { return await flood(locks) }
        let lock = try await locks.acquire("frozen")
        let view = lock.lease
        while view.isHeld {
            say("held")
            try await Task.sleep(for: .milliseconds(10))
        }
        say("lost")
        do {
            try await lock.release()
            say("released")
        } catch let error as LockError {
            say("\(error.code)")
        }
        await locks.shutdown()
    }

    private static func flood(_ locks: LockManager) async {
        do {
            try await locks.withTransaction(locking: "frozen") { transaction in
                say("held")
                let rows = try await transaction.query("SELECT repeat('x', 1000000) FROM generate_series(1, 1000)")
                say("\(rows.count) rows")
            }
        } catch let error as LockError {
            say("\(error.code)")
        } catch {
            say("\(error)")
        }
        await locks.shutdown()
    }

    /// At once: a process may be stopped at any moment.
    private static func say(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }
}
