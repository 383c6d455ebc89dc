import LockCore
import Logging

/// What a leader does besides its body: it publishes since when it leads, and looks whether it is asked to step down.
///
/// Both are locks like any other, on the manager's shared session, so that a leader takes no connection for them.
struct LeadershipWatch: Sendable {
    /// How often a leader looks whether it is asked to step down.
    static let interval = Duration.seconds(1)

    let locks: LockManager
    let keys: LeadershipKeys
    let term: LeadershipTerm

    /// Runs until the task is cancelled. Then nothing of it is left on the server.
    func run() async {
        // Beside the other, because it may take seconds.
        async let published = publish()
        if let processID = await locks.driver.processID(of: term.lock.state) { await listen(on: keys.stepDown(of: processID)) }
        while !Task.isCancelled { try? await Task.sleep(for: .seconds(3_600)) }
        try? await published?.release()
    }

    /// Tries until it is published, or the term is over. Until then other processes see a leader without the time since when.
    private func publish() async -> CopyableLockHandle? {
        let begin = ContinuousClock.now
        var pause = Self.interval
        while !Task.isCancelled {
            do {
                let now = try await locks.withTransaction(timeout: .seconds(5)) { transaction in
                    try await transaction.query("SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())")[0].decode(
                        0,
                        as: Double.self
                    )
                }
                let start = now - (ContinuousClock.now - begin) / .seconds(1)
                return try await locks.tryAcquire(keys.term(start: UInt32(min(max(start, 0), Double(UInt32.max)))), mode: .shared)?
                    .copyable()
            } catch {
                locks.driver.logger.debug("the beginning of a term is not published yet", metadata: [LogKey.key: "\(keys.lead)"])
                try? await Task.sleep(for: pause)
                pause = min(pause * 2, .seconds(60))
            }
        }
        return nil
    }

    /// A session that asks holds the key shared, which refuses the exclusive try.
    private func listen(on key: LockKey) async {
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: Self.interval)
                guard let handle = try await locks.tryAcquire(key) else { return term.stepDown() }
                try await handle.release()
            } catch {
                // The server is away, or the task is cancelled. A lost lead ends the body without this.
                continue
            }
        }
    }
}
