import Dispatch
import Foundation
import Synchronization

/// Handles SIGINT and SIGTERM, so that they end the children first and then the server.
final class Interrupts: Sendable {
    private let first = Mutex<Int32?>(nil)
    // Safe because it does not change after `init`, and Dispatch's objects can be released on any thread.
    nonisolated(unsafe) private let sources: [any DispatchSourceSignal]

    /// The first signal that came.
    var received: Int32? { first.withLock { $0 } }

    /// - Parameter handler: Called at the first signal. A second signal ends the process at once, and the shell that has started the server
    ///   removes the server.
    init(_ handler: @escaping @Sendable () -> Void) {
        let numbers = [SIGINT, SIGTERM]
        sources = numbers.map {
            signal($0, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: $0)
        }
        for (number, source) in zip(numbers, sources) {
            source.setEventHandler { [weak self] in
                guard let self else { return }
                let isSecond = first.withLock { first in
                    defer { first = first ?? number }
                    return first != nil
                }
                if isSecond { _exit(128 + number) }
                handler()
            }
            source.resume()
        }
    }
}
