import Foundation
import Synchronization

/// Keeps a core busy until the input ends, which the system sees to when the process that started this one ends.
struct SpinnerWorker {
    private static let isOver = Atomic(false)

    func run() {
        Thread.detachNewThread {
            while readLine() != nil {}
            Self.isOver.store(true, ordering: .relaxed)
        }
        while !Self.isOver.load(ordering: .relaxed) {}
    }
}
