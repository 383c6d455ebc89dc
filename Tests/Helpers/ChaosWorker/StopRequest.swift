import Foundation
import Synchronization

/// The request to stop, which a SIGTERM makes.
struct StopRequest: Sendable {
    private static let isSet = Atomic(false)

    init() {
        // The first access initializes the static property, which a signal handler must not do.
        Self.isSet.store(false, ordering: .relaxed)
        signal(SIGTERM) { _ in Self.isSet.store(true, ordering: .relaxed) }
        // A worker must not outlive the runner. No portable signal reports the parent's end, so the parent's id is polled.
        let parent = getppid()
        Thread.detachNewThread {
            while getppid() == parent { Thread.sleep(forTimeInterval: 0.5) }
            exit(1)
        }
    }

    var isRequested: Bool { Self.isSet.load(ordering: .relaxed) }
}
