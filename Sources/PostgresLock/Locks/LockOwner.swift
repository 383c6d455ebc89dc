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
        do {
            if further.isEmpty, let first { try await driver.release(first) } else { try await driver.release(states) }
        } catch {
            first?.observed?.ended(by: error)
            throw error
        }
        first?.observed?.ended()
    }

    func change(_ state: LockState, to mode: LockMode) async throws -> Bool {
        let before = state.mode
        let isChanged = try await driver.change(state, to: mode)
        if isChanged, before != mode { state.observed?.changed(to: mode) }
        return isChanged
    }

    deinit {
        if first?.isOpen ?? false || further.contains(where: \.isOpen) { driver.giveBackDropped(states) }
        first?.observed?.ended(by: first?.loss)
    }
}
