import LibPQ
import LockCore
import Logging

/// Gets the permits of a semaphore for this process, in the order in which processes and tasks have come.
///
/// A task that has to wait takes the turnstile, which only one of all processes can have, and waits for a permit behind it. The others wait for
/// the turnstile. What does not wait shares the turnstile for a moment, and gets nothing while any task waits.
struct PermitQueue: Sendable {
    private let keys: SemaphoreKeys
    private let driver: LockDriver
    /// How long a task waits for the turnstile before it searches for permits that the task behind the turnstile leaves unused, and the pause
    /// between two searches.
    private let lookInterval: Duration
    private let waiters = Waiters()

    private final class Waiters: Sendable {
        let state = Locked(PermitWaiters())
    }

    init(_ keys: SemaphoreKeys, _ driver: LockDriver, lookInterval: Duration) {
        self.lookInterval = lookInterval
        self.keys = keys
        self.driver = driver
    }

    // MARK: Without waiting

    /// - Parameter limit: When the server's answers are not waited for any longer.
    /// - Returns: `nil` if no permit is free, or if tasks wait for one.
    nonisolated(nonsending) func tryTake(until limit: ContinuousClock.Instant? = nil) async throws -> LockState? {
        // Also where the turnstile is not to be had: a task that holds all permits itself would wait for itself.
        _ = try driver.available(keys.permits, .exclusive, timeout: nil)
        let timeLeft = timeLeft(until: limit).map { max($0, .milliseconds(1)) }
        guard let turnstile = try await driver.obtain(keys.turnstile, .shared, timeout: timeLeft, noWait: true, nil) else { return nil }
        defer { giveBack(turnstile) }
        return try await driver.obtainAny(of: keys.permits, .exclusive, timeout: timeLeft, noWait: true, nil)
    }

    private func giveBack(_ state: LockState) {
        if state.beginRelease() { driver.giveBack([state]) }
    }

    // MARK: Waiting

    /// How many tasks wait.
    var waitingCount: Int { waiters.state.withLock { $0.count } }

    /// A task asks for a permit, and may wait for it. Not before the other tasks that have arrived by then.
    func arrive() -> PermitWaiters.Ticket { PermitWaiters.Ticket(driver.queuePlaces.withLock { $0.next() }) }

    /// - Parameters:
    ///   - ticket: Of the task.
    ///   - limit: When the wait ends.
    nonisolated(nonsending) func take(_ ticket: PermitWaiters.Ticket, until limit: ContinuousClock.Instant?) async throws -> LockState {
        if let permit = try await tryTake(until: limit) { return permit }
        waiters.state.withLock { $0.beginWait(ticket) }
        defer { waiters.state.withLock { $0.end(ticket) } }
        return try await withThrowingTaskGroup(of: LockState.self) { group in
            group.addTask { try await passTurnstile(ticket, until: limit) }
            group.addTask { try await goAround(ticket) }
            let permit: LockState
            do {
                // One of the two, or the error of the first: the second ends only with a permit, or by cancellation.
                guard let first = try await group.next() else { throw CancellationError() }
                permit = first
            } catch {
                await giveUp(&group)
                throw error
            }
            await giveUp(&group)
            return permit
        }
    }

    /// Ends the task that is left. It may have got a permit meanwhile.
    private nonisolated(nonsending) func giveUp(_ group: inout ThrowingTaskGroup<LockState, any Error>) async {
        group.cancelAll()
        while let result = await group.nextResult() {
            if case .success(let permit) = result { giveBack(permit) }
        }
    }

    private func passTurnstile(_ ticket: PermitWaiters.Ticket, until limit: ContinuousClock.Instant?) async throws -> LockState {
        let turnstile = try await driver.waitForLock(keys.turnstile, .exclusive, timeLeft(until: limit), at: ticket.place, nil)
        defer { giveBack(turnstile) }
        waiters.state.withLock { $0.beginHead(ticket) }
        defer { waiters.state.withLock { $0.endHead() } }
        return try await driver.waitForAny(of: keys.permits, .exclusive, timeLeft(until: limit), pollPause: PermitWaiters.pollPause, nil)
    }

    private func timeLeft(until limit: ContinuousClock.Instant?) -> Duration? {
        limit.map { max(ContinuousClock.now.duration(to: $0), .zero) }
    }

    // MARK: Around the turnstile

    /// Takes a permit that is left unused.
    private func goAround(_ ticket: PermitWaiters.Ticket) async throws -> LockState {
        while true {
            try await Task.sleep(for: lookInterval * Double.random(in: 1...1.2))
            guard waiters.state.withLock({ $0.maySearch(ticket) }) else { continue }
            do {
                if let permit = try await takeUnused() { return permit }
            } catch let error as LockError {
                // The task that waits for the turnstile finds that out, too.
                driver.logger.debug(
                    "a search for unused permits has failed",
                    metadata: [LogKey.key: "\(keys.turnstile)", LogKey.reason: "\(error.message)"]
                )
            }
        }
    }

    private func takeUnused() async throws -> LockState? {
        var search = UnusedPermitSearch()
        while let permit = try await driver.obtainAny(of: keys.permits, .exclusive, timeout: nil, noWait: true, nil) {
            switch search.hasFound() {
            case .keep:
                return permit
            case .giveBack(let pause):
                giveBack(permit)
                try await Task.sleep(for: pause)
            }
        }
        return nil
    }
}
