import ChildProcesses
import CommandSupport
import Dispatch
import Foundation
import LibPQ

/// The orders that a worker has received on its standard input.
///
/// The input ends when the demonstration ends in any way. Then the worker exits.
final class WorkerOrders: Sendable {
    private struct State {
        var hasBegun = false
        var isStopped = false
        var mustPause = false
        var start: CheckedContinuation<Void, Never>?
    }

    private let state = Locked(State())

    init() {
        DispatchQueue(label: "pglock.orders").async { [self] in
            Descriptor.readLines(STDIN_FILENO) { line in
                if let order = WorkerOrder(rawValue: line) { take(order) }
            }
            exit(ExitStatus.failure)
        }
    }

    var isStopped: Bool { state.withLock { $0.isStopped } }
    var mustPause: Bool { state.withLock { $0.mustPause } }

    func waitForGo() async {
        await withCheckedContinuation { continuation in
            let hasBegun = state.withLock { state in
                if !state.hasBegun { state.start = continuation }
                return state.hasBegun
            }
            if hasBegun { continuation.resume() }
        }
    }

    private func take(_ order: WorkerOrder) {
        let start = state.withLock { state -> CheckedContinuation<Void, Never>? in
            switch order {
            case .go: state.hasBegun = true
            case .pause: state.mustPause = true
            case .stop: state.isStopped = true
            }
            defer { if state.hasBegun { state.start = nil } }
            return state.hasBegun ? state.start : nil
        }
        start?.resume()
    }
}
