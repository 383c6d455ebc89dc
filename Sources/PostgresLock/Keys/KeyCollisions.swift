import LibPQ
import LockCore
import Logging
import Synchronization

/// Detects that two names have the same key.
///
/// Only names with keys of 32 bits, or of several spellings, are recorded. Ten thousand names are enough for a likely collision of 32
/// bits, while a million keys of 64 bits have one with a probability of one in 40 million. Beyond a number of names no more are recorded.
final class KeyCollisions: Sendable {
    static let shared = KeyCollisions(capacity: 100_000)

    private struct State {
        var names: [AdvisoryKey: String] = [:]
        /// One report per key is enough.
        var collided: Set<AdvisoryKey> = []
        var unreported: [(key: AdvisoryKey, names: [String])] = []
    }

    private let capacity: Int
    private let state = Locked(State())
    /// Read for every lock, and hardly ever true.
    private let hasUnreported = Atomic(false)

    init(capacity: Int) {
        self.capacity = capacity
    }

    func note(_ key: AdvisoryKey, _ name: String) {
        state.withLock { state in
            guard let other = state.names[key] else {
                if state.names.count < capacity { state.names[key] = name }
                return
            }
            guard other != name, state.collided.insert(key).inserted else { return }
            state.unreported.append((key, [other, name]))
            hasUnreported.store(true, ordering: .relaxed)
        }
    }

    func report(by warn: (Logger.Message, Logger.Metadata) -> Void) {
        guard hasUnreported.load(ordering: .relaxed) else { return }
        let collisions = state.withLock { state in
            defer { state.unreported = [] }
            hasUnreported.store(false, ordering: .relaxed)
            return state.unreported
        }
        for (key, names) in collisions {
            warn(
                "two names are one lock, and keep each other out: rename one, or use a scheme with keys of 64 bits",
                [LogKey.key: "\(key)", LogKey.names: .array(names.map { .string($0) })]
            )
        }
    }
}
