import Foundation
import PostgresLock

/// A process that holds a lock while a test stops and continues it. It prints `held` every 10 ms as long as `isHeld` is true, and then
/// how the lock ended.
///
/// Arguments: a connection string, and the lease in seconds. With `flood` after these, it holds the lock in a transaction whose result
/// is larger than any buffer on the way. With `crowd` and a number of tasks, each task takes and releases a lock; the process prints when
/// they have ended, and stays until it is killed.
@main
struct LockHolder {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3, let lease = Int(arguments[2]) else {
            print("usage: LockHolder URL LEASE [flood | crowd TASKS]")
            return
        }
        var configuration = LockManager.Configuration(url: arguments[1])
        configuration.lease = .seconds(lease)
        // Tests run on busy machines.
        configuration.timeouts.unreachable = .seconds(120)
        let locks = try LockManager(configuration: configuration)
        guard !arguments.dropFirst(3).contains("flood") else { return await flood(locks) }
        if arguments.count == 5, arguments[3] == "crowd", let count = Int(arguments[4]) { return await crowd(locks, count) }
        let lock = try await locks.acquire("frozen")
        let view = lock.lock
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

    private static func crowd(_ locks: LockManager, _ count: Int) async {
        say("begun")
        let losses = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<count {
                group.addTask {
                    let key = LockKey(number: Int64(number))
                    do {
                        switch number % 8 {
                        case 0: try await locks.withLock(key) { _ in await Task.yield() }
                        case 1: try await locks.withLocks([.exclusive(key), .shared(LockKey(number: -Int64(number)))]) { _ in }
                        default: try await locks.acquire(key).release()
                        }
                        return false
                    } catch {
                        return true
                    }
                }
            }
            return await group.reduce(into: 0) { if $1 { $0 += 1 } }
        }
        say("ended: \(losses) losses")
        // The manager stays open, so that locks which it failed to release would stay at the server.
        try? await Task.sleep(for: .seconds(3600))
        await locks.shutdown(gracePeriod: .zero)
    }

    /// Prints a line without buffering, because the process may be stopped at any moment.
    private static func say(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }
}
