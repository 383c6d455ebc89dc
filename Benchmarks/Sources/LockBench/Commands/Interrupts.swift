import Dispatch
import Foundation
import Synchronization

/// Has Ctrl-C and `kill` end the work in good order: children first, then the server.
final class Interrupts: Sendable {
    private let first = Mutex<Int32?>(nil)
    // Never touched after `init`; Dispatch's objects don't mind which thread lets go of them.
    nonisolated(unsafe) private let sources: [any DispatchSourceSignal]

    /// The first signal that came.
    var received: Int32? { first.withLock { $0 } }

    /// - Parameter handler: Called at the first signal. A second one ends the process at once; the server's guardian
    ///   cleans up then.
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
