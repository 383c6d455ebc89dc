/// The right to release locks that were taken together. When its last reference is gone, it releases them by itself.
final class LockOwner: Sendable {
    /// Apart from the others, so that the handle of one lock allocates no array.
    private let first: LockState?
    private let further: [LockState]
    private let driver: LockDriver

    init(_ state: LockState, driver: LockDriver) {
        first = state
        further = []
        self.driver = driver
    }

    init(_ states: [LockState], driver: LockDriver) {
        first = states.first
        further = Array(states.dropFirst())
        self.driver = driver
    }

    private var states: [LockState] { (first.map { [$0] } ?? []) + further }

    /// Only the first call releases.
    func release() async throws {
        guard further.isEmpty, let first else { return try await driver.release(states) }
        try await driver.release(first)
    }

    func change(_ state: LockState, to mode: LockMode) async throws -> Bool {
        try await driver.change(state, to: mode)
    }

    deinit {
        if first?.isOpen ?? false || further.contains(where: \.isOpen) { driver.giveBackDropped(states) }
    }
}
