import Foundation
import Synchronization

/// When to stop: at a SIGTERM.
struct EndOfWork: Sendable {
    private static let isTold = Atomic(false)

    init() {
        // Looked at first, so that it is there before the handler needs it.
        Self.isTold.store(false, ordering: .relaxed)
        signal(SIGTERM) { _ in Self.isTold.store(true, ordering: .relaxed) }
        // If the runner has gone, nobody will send one, or wants to know how it goes on. There is no portable signal for that.
        let parent = getppid()
        Thread.detachNewThread {
            while getppid() == parent { Thread.sleep(forTimeInterval: 0.5) }
            exit(1)
        }
    }

    var hasCome: Bool { Self.isTold.load(ordering: .relaxed) }
}
