import Dispatch
import LibPQ
import LockCore
import Logging

/// Passes lines to the log handler in their order, and never on the event loop: the handler is users' code, and may block.
///
/// If the handler is too slow, lines beyond a limit are dropped, and their number is logged.
package final class LogRelay: Sendable {
    /// How many lines may wait for the handler.
    static let capacity = 1000

    private struct State {
        var waiting = 0
        var dropped = 0
    }

    private let logger: Logger
    private let queue = DispatchQueue(label: "pglock.log")
    private let state = Locked(State())

    init(_ logger: Logger) {
        self.logger = logger
    }

    func debug(_ message: Logger.Message, metadata: Logger.Metadata) { log(.debug, message, metadata) }
    func info(_ message: Logger.Message, metadata: Logger.Metadata) { log(.info, message, metadata) }
    func critical(_ message: Logger.Message, metadata: Logger.Metadata) { log(.critical, message, metadata) }

    /// - Parameter caller: The logger of the call that the line is about, if it has one.
    func warning(_ message: Logger.Message, metadata: Logger.Metadata, of caller: Logger? = nil) {
        log(.warning, message, metadata, caller)
    }

    /// - Parameter caller: As for ``warning(_:metadata:of:)``.
    func error(_ message: Logger.Message, metadata: Logger.Metadata, of caller: Logger? = nil) {
        log(.error, message, metadata, caller)
    }

    private func log(_ level: Logger.Level, _ message: Logger.Message, _ metadata: Logger.Metadata, _ caller: Logger? = nil) {
        let isTaken = state.withLock { state in
            guard state.waiting < Self.capacity else {
                state.dropped += 1
                return false
            }
            state.waiting += 1
            return true
        }
        guard isTaken else { return }
        queue.async { [self] in
            (caller ?? logger).log(level: level, message, metadata: metadata.isEmpty ? nil : metadata)
            noteLogged()
        }
    }

    private func noteLogged() {
        let dropped = state.withLock { state in
            state.waiting -= 1
            defer { state.dropped = 0 }
            return state.dropped
        }
        guard dropped > 0 else { return }
        logger.warning("lines were dropped, because the log handler was slow", metadata: [LogKey.count: "\(dropped)"])
    }

    /// Waits until the handler has got the lines so far, at most for `limit`.
    func drain(within limit: Duration = .seconds(1)) async { await queue.drain(within: limit) }
}

extension DispatchQueue {
    /// Waits until what was submitted to the queue has run, at most for `limit`.
    func drain(within limit: Duration) async {
        let (ends, end) = AsyncStream.makeStream(of: Void.self)
        async { end.yield() }
        let alarm = DispatchQueue(label: "\(label).limit")
        alarm.asyncAfter(deadline: .now() + .nanoseconds(Int(clamping: limit.clampedNanoseconds))) { end.yield() }
        for await _ in ends { return }
    }
}
