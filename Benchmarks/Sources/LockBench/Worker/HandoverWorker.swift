import ChildProcesses
import Foundation
import PostgresLock

/// Holds a lock in turn with another process. Each line of the input tells it to do the next thing, to acquire or to release, and each
/// line of the output tells when it was done: after the lock was acquired, and before its release began.
struct HandoverWorker {
    let url: String

    static let key: Int64 = 1

    func acquiring() async throws {
        let locks = try LibraryWorker.manager(url)
        let lines = Self.input()
        Self.say("ready")
        while await Self.next(lines) {
            let lock = try await locks.acquire(LockKey(number: Self.key))
            Self.say("acquired \(Monotonic.now())")
            let goesOn = await Self.next(lines)
            let time = Monotonic.now()
            try await lock.release()
            guard goesOn else { break }
            Self.say("released \(time)")
        }
        await locks.shutdown()
    }

    func scoped() async throws {
        let locks = try LibraryWorker.manager(url)
        let lines = Self.input()
        Self.say("ready")
        while await Self.next(lines) {
            let time = try await locks.withLock(LockKey(number: Self.key)) { _ in
                Self.say("acquired \(Monotonic.now())")
                return await Self.next(lines) ? Monotonic.now() : nil
            }
            guard let time else { break }
            Self.say("released \(time)")
        }
        await locks.shutdown()
    }

    static func say(_ line: String) {
        _ = Descriptor.write("\(line)\n", to: STDOUT_FILENO)
    }

    /// - Returns: Whether there was a line. At the end of the input there is none.
    private static func next(_ lines: AsyncStream<String>) async -> Bool {
        for await _ in lines { return true }
        return false
    }

    /// The lines of the input, read on a thread of its own, so that no task blocks a thread on which tasks run.
    private static func input() -> AsyncStream<String> {
        let (lines, continuation) = AsyncStream.makeStream(of: String.self)
        Thread.detachNewThread {
            Descriptor.readLines(STDIN_FILENO) { continuation.yield($0) }
            continuation.finish()
        }
        return lines
    }
}
