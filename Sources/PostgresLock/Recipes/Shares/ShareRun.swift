import LibPQ
import LockCore

/// The work on one share while its lock is held.
struct ShareRun: Sendable {
    let driver: LockDriver
    let state: LockState
    let body: ShareMember.Body

    /// Runs the body, and releases the lock. A loss of the lock, and cancelling the task, cancel the body.
    ///
    /// A body that returns early keeps the share, since it would be begun anew at once otherwise, here or elsewhere.
    ///
    /// - Returns: What the body has thrown by itself. What it makes of its cancellation, or of a loss, is no failure.
    func run(_ share: Int) async -> (any Error)? {
        let failure = Locked<(any Error)?>(nil)
        let scope = ScopedBody(driver: driver, states: [state], kind: .lock, mustCancel: true)
        do {
            try await scope.run(HeldLock(state: state), isolation: nil) { lock in
                do {
                    try await body(share, lock)
                    _ = await lock.waitForEnd()
                } catch {
                    if !Task.isCancelled, lock.isHeld { failure.withLock { $0 = error } }
                    throw error
                }
            } release: {
                try await driver.release(state)
            }
        } catch {
            // The failure, the end of a cancelled body, or a loss: after each of them the lock is not held.
        }
        return failure.withLock { $0 }
    }
}
