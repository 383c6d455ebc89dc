import LibPQ
import LockCore
import Logging

// Several locks together.
extension LockDriver {
    nonisolated(nonsending) func waitForLocks(
        _ requests: [LockRequest],
        _ timeout: Duration?
    ) async throws -> [LockState] {
        var acquisition = try LockSetAcquisition(requests, timeout: timeout, driver: self)
        switch try await acquisition.run() {
        case .complete:
            return acquisition.states
        case .refused(let keys):
            let error = taken(keys)
            throw LockError(error.code, "\(error.message) None of the \(acquisition.count) locks is held now.", keys: keys)
        }
    }

    /// Gives all of them back in one turn.
    ///
    /// - Throws: What has happened to those that could not be given back in peace.
    nonisolated(nonsending) func release(_ states: [LockState]) async throws {
        noteExpiry(of: states)
        let held = states.filter { $0.beginRelease() }
        var losses = states.compactMap(\.loss)
        if !held.isEmpty {
            let outcomes = await callAll(held, isCancellable: false) { $0.release($2, now: $3) }
            for (state, outcome) in zip(held, outcomes) {
                guard case .failed(let failure) = outcome else { continue }
                losses.append(state.lateLoss ?? LockError(failure, keys: [state.key], databaseName: databaseName))
            }
        }
        guard let first = losses.first else { return }
        throw LockError(first.code, first.message, sqlState: first.sqlState, keys: losses.flatMap(\.keys))
    }

    /// The handle went away without a release.
    nonisolated func giveBackDropped(_ states: [LockState]) {
        let held = states.filter { $0.beginRelease() }
        logger.warning(
            "a handle of several locks was dropped without release(); its locks are given back",
            metadata: [LogKey.key: "\(held.map(\.key).names)"]
        )
        giveBack(held)
    }
}
