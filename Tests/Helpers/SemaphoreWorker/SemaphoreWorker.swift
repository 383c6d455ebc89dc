import Foundation
import PostgresLock

/// One of several processes whose tasks use the permits of one semaphore, again and again.
///
/// Arguments: a connection string, the limit, the number of tasks, the shortest and the longest body in milliseconds, and for how many seconds
/// new permits are asked for. Lines: `waits TASK TIME` before a call, `has TASK NUMBER TIME` first in the body, and `ends TASK NUMBER TIME` last in it.
/// Times are nanoseconds of a clock that all processes of the machine share.
@main
struct SemaphoreWorker {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst().map(\.self)
        guard arguments.count == 6, let limit = Int(arguments[1]), let tasks = Int(arguments[2]), let shortest = Int(arguments[3]),
            let longest = Int(arguments[4]), let seconds = Double(arguments[5])
        else {
            print("usage: SemaphoreWorker URL LIMIT TASKS MILLISECONDS MILLISECONDS SECONDS")
            return
        }
        let locks = try LockManager(configuration: .init(url: arguments[0]))
        let semaphore = try locks.semaphore("semaphore", limit: limit)
        // Connects, and finds out that the limits agree. Tasks that come meanwhile all begin to wait afterwards, in any order.
        try await semaphore.withPermitIfAvailable { _ in }
        let end = Date().addingTimeInterval(seconds)
        try await withThrowingTaskGroup { group in
            for task in 1...tasks {
                group.addTask {
                    while Date() < end {
                        say("waits \(task) \(now)")
                        try await semaphore.withPermit { permit in
                            say("has \(task) \(permit.number) \(now)")
                            try await Task.sleep(for: .milliseconds(Int.random(in: shortest...longest)))
                            say("ends \(task) \(permit.number) \(now)")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        await locks.shutdown()
    }

    private static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Prints a line without buffering, because the process may be killed at any moment.
    private static func say(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }
}
