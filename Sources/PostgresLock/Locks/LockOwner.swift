/// The right to release locks that were taken together. When its last reference is gone, it releases them by itself.
final class LockOwner: Sendable {
    let states: [LockState]
    private let driver: LockDriver

    init(_ states: [LockState], driver: LockDriver) {
        self.states = states
        self.driver = driver
    }

    /// Only the first call releases.
    func release() async throws {
        try await driver.release(states)
    }

    func change(_ state: LockState, to mode: LockMode) async throws -> Bool {
        try await driver.change(state, to: mode)
    }

    deinit {
        if states.contains(where: \.isOpen) { driver.giveBackDropped(states) }
    }
}
