import Foundation
import Synchronization

/// When to stop: at a SIGTERM, or when the runner has gone, since nobody else would send one.
struct EndOfWork: Sendable {
    private static let isTold = Atomic(false)

    private let parent = getppid()

    init() {
        // Looked at first, so that it is there before the handler needs it.
        Self.isTold.store(false, ordering: .relaxed)
        signal(SIGTERM) { _ in Self.isTold.store(true, ordering: .relaxed) }
    }

    var hasCome: Bool { Self.isTold.load(ordering: .relaxed) || getppid() != parent }
}
