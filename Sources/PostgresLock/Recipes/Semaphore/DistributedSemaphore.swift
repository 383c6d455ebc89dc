import LibPQ
import LockCore

/// Limits how many holders there are at a time, of all processes that use the database.
///
/// ```swift
/// let stripe = try locks.semaphore("stripe", limit: 5)
///
/// try await stripe.withPermit { _ in
///     try await transfer()
/// }
/// ```
///
/// Each permit is an advisory lock, so a process that dies gives its permits back at once, and a permit knows of its loss. Tasks are served in the
/// order in which they come, in one process and, but for a few exceptions, in several. All processes name the same limit; one with another is
/// told by an error. <doc:Semaphores> says what that is worth, and when something else is the better choice.
///
/// Make one semaphore for a name and keep it: with its first use it takes a lock by which others see its limit, and keeps it until the semaphore
/// is gone.
public final class DistributedSemaphore: Sendable {
    /// The semaphore's name, the same in all processes.
    public var name: String { keys.name }

    /// How many permits there are.
    public var limit: Int { keys.limit }

    private let keys: SemaphoreKeys
    private let locks: LockManager
    private let agreement: SemaphoreAgreement
    let queue: PermitQueue

    /// - Parameters:
    ///   - name: The semaphore's name, the same in all processes. Locks of the same name have nothing to do with it.
    ///   - limit: How many permits there are, from 1 to 1,000; the same in all processes.
    ///   - locks: Where the permits are.
    /// - Throws: ``LockError`` with the code ``LockError/Code/invalidArgument`` if the name is empty, or the limit too low or too high.
    public convenience init(_ name: String, limit: Int, locks: LockManager) throws {
        try self.init(name, limit: limit, locks: locks, lookInterval: .seconds(1))
    }

    /// - Parameter lookInterval: See ``PermitQueue``.
    init(_ name: String, limit: Int, locks: LockManager, lookInterval: Duration) throws {
        keys = try SemaphoreKeys(name, limit: limit)
        self.locks = locks
        agreement = SemaphoreAgreement(keys, locks.unobserved)
        queue = PermitQueue(keys, locks.driver, lookInterval: lookInterval)
    }

    /// Takes a permit, runs the body, and gives the permit back, also if the body throws.
    ///
    /// The body runs as that of ``LockManager/withLock(_:mode:timeout:isolation:_:)`` does: it is cancelled if the permit is lost, and the loss
    /// is thrown. Cancelling the calling task ends the wait at once, or cancels the body.
    ///
    /// A task that asks for a further permit inside the body waits for ``LockManager/Configuration/Timeouts/nested`` at most, unless it gives a
    /// timeout: tasks that each hold some permits and want more can wait for each other.
    ///
    /// - Parameters:
    ///   - timeout: How long to wait, connecting included. `.zero` does not wait for a permit. `nil` waits without limit, except inside another
    ///     scope of a lock, permit, session or transaction.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets a view of the permit.
    /// - Returns: What the body returns.
    /// - Throws: What the body throws; `CancellationError` if the task was cancelled while it waited; ``LockError``, above all with
    ///   ``LockError/Code/timedOut`` if no permit became free in time, ``LockError/Code/limitMismatch`` if another process has another limit,
    ///   ``LockError/Code/alreadyHeld`` if the task itself holds all permits, and ``LockError/Code/lockLost`` if the permit was lost.
    @discardableResult
    public func withPermit<Result>(
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (Permit) async throws -> Result
    ) async throws -> Result {
        let state = try await take(timeout)
        return try await locks.hold([state], Permit(state: state), isolation, body)
    }

    /// Takes a permit if one is free, runs the body, and gives the permit back, also if the body throws. If none is free, or if other tasks or
    /// processes wait for one, the body does not run.
    ///
    /// Waits for the server's answers, but not for a permit. Otherwise as ``withPermit(timeout:isolation:_:)``.
    ///
    /// - Parameters:
    ///   - isolation: The caller's, by default.
    ///   - body: Gets a view of the permit.
    /// - Returns: What the body returns; `nil` if it has not run.
    /// - Throws: As ``withPermit(timeout:isolation:_:)``.
    @discardableResult
    public func withPermitIfAvailable<Result>(
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (Permit) async throws -> Result
    ) async throws -> Result? {
        guard let state = try await tryTake() else { return nil }
        return try await locks.hold([state], Permit(state: state), isolation, body)
    }

    /// Takes a permit, waiting for it if need be.
    ///
    /// Prefer ``withPermit(timeout:isolation:_:)``, which can't forget to give it back.
    ///
    /// - Parameter timeout: As for ``withPermit(timeout:isolation:_:)``.
    /// - Returns: The permit. Dropping it gives it back.
    /// - Throws: `CancellationError` if the task was cancelled; ``LockError`` otherwise.
    public nonisolated(nonsending) func acquire(timeout: Duration? = nil) async throws -> PermitHandle {
        PermitHandle(try await take(timeout), driver: locks.driver)
    }

    /// Takes a permit if one is free, and no other task or process waits for one.
    ///
    /// Prefer ``withPermitIfAvailable(isolation:_:)``, which can't forget to give it back.
    ///
    /// - Returns: The permit, or `nil`.
    /// - Throws: `CancellationError` if the task was cancelled; ``LockError`` otherwise.
    public nonisolated(nonsending) func tryAcquire() async throws -> PermitHandle? {
        guard let state = try await tryTake() else { return nil }
        return PermitHandle(state, driver: locks.driver)
    }

    /// The lock that a permit is.
    ///
    /// - Parameter number: From 1 to the limit.
    package func key(ofPermit number: Int) -> LockKey { keys.permits[number - 1] }

    // MARK: Taking permits

    private nonisolated(nonsending) func take(_ timeout: Duration?) async throws -> LockState {
        if timeout == .zero {
            guard let state = try await tryTake() else { throw exhausted(after: .zero) }
            return state
        }
        // Before anything is waited for: in this order tasks of the process are served.
        let ticket = queue.arrive()
        let limit = timeout.map { ContinuousClock.now + $0.bounded }
        let state = try await observed { () async throws -> LockState? in
            try await agreement.reach(timeout: timeout)
            do {
                return try await queue.take(ticket, until: limit)
            } catch let error as LockError where error.code == .timedOut {
                throw exhausted(after: timeout)
            }
        }
        guard let state else { throw exhausted(after: timeout) }
        return state
    }

    private nonisolated(nonsending) func tryTake() async throws -> LockState? {
        try await observed { () async throws -> LockState? in
            try await agreement.reach(timeout: locks.configuration.timeouts.unreachable)
            return try await queue.tryTake()
        }
    }

    /// The call is one for its observers, however many locks it takes.
    private nonisolated(nonsending) func observed(
        _ take: nonisolated(nonsending) () async throws -> LockState?
    ) async throws -> LockState? {
        guard let call = locks.observation?.begin(.lock, [LockRequest(keys.turnstile)]) else { return try await take() }
        do {
            let state = try await take()
            guard let state else {
                call.refused()
                return nil
            }
            state.observed = call
            call.granted([state])
            return state
        } catch {
            call.ended(by: error)
            throw error
        }
    }

    private func exhausted(after timeout: Duration?) -> LockError {
        let waited =
            timeout.map { $0 == .zero ? "A timeout of zero does not wait" : "Waited \($0.shown)" }
            ?? "Waited for as long as a nested call may"
        return LockError(
            .timedOut,
            """
            \(waited) for a permit of the semaphore "\(name)" in \(locks.driver.databaseName): all \(limit) are in use, or others wait for \
            one. Give it time, or try again later.
            """,
            keys: [keys.turnstile]
        )
    }
}
