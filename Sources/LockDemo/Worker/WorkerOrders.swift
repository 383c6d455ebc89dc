import ChildProcesses
import CommandSupport
import Dispatch
import Foundation
import LibPQ

/// The orders that a worker has received on its standard input.
///
/// The input ends when the demonstration ends in any way. Then the worker exits.
final class WorkerOrders: Sendable {
    private let received = Locked<Set<WorkerOrder>>([])
    private let start = AsyncStream<Void>.makeStream()

    init() {
        DispatchQueue(label: "pglock.orders").async { [received, start] in
            Descriptor.readLines(STDIN_FILENO) { line in
                guard let order = WorkerOrder(rawValue: line) else { return }
                received.withLock { _ = $0.insert(order) }
                if order == .go { start.continuation.finish() }
            }
            exit(ExitStatus.failure)
        }
    }

    var isStopped: Bool { received.withLock { $0.contains(.stop) } }
    var mustPause: Bool { received.withLock { $0.contains(.pause) } }

    func waitForGo() async {
        for await _ in start.stream {}
    }
}
