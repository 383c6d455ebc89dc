/// A view of a permit of a ``DistributedSemaphore``, to pass around. It may outlive the permit; then ``isHeld`` is false.
public struct Permit: Sendable {
    let state: LockState

    /// Which of the permits it is, from 1 to the semaphore's limit. No other holder has the same one at the same time.
    public var number: Int { state.key.pair.map { Int($0.second) } ?? 0 }

    /// Whether the permit is held, as far as can be known here and now. See ``HeldLock/isHeld``.
    public var isHeld: Bool { state.isHeld }

    /// A number that is higher than those of all earlier holders of the permit with this ``number``. See ``HeldLock/fencingToken``.
    public var fencingToken: FencingToken? { state.token }

    /// Why the permit was lost; `nil` if it was not.
    public var loss: LockError? { state.loss }

    /// The lock that the permit is.
    package var lock: HeldLock { HeldLock(state: state) }

    /// Waits until the permit is lost or given back.
    ///
    /// - Returns: Why the permit was lost; `nil` if it was given back, or if the waiting task was cancelled.
    public func waitForEnd() async -> LockError? { await [state].waitForEnd() }
}

/// A permit of a ``DistributedSemaphore``, and the right to give it back.
///
/// As with ``LockHandle`` there is one handle, which can't be copied, and if it is dropped, the permit is given back by itself, a moment later.
public struct PermitHandle: ~Copyable, Sendable {
    /// A view of the permit, to pass around.
    public let permit: Permit
    private let owner: LockOwner

    init(_ state: LockState, driver: LockDriver) {
        permit = Permit(state: state)
        owner = LockOwner(state, driver: driver)
    }

    /// Gives the permit back, and returns when others can have it.
    ///
    /// Not ended by cancellation.
    ///
    /// - Throws: ``LockError`` with the code ``LockError/Code/lockLost`` if the permit had been lost before, or
    ///   ``LockError/Code/connectionLost`` if the connection was lost meanwhile. In both cases the permit is not held any more.
    public consuming func release() async throws { try await owner.release() }
}
