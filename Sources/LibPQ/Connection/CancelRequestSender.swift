import CLibPQ

/// libpq's own way to cancel what a session runs: a second connection that only says so.
///
/// Unchecked, because a `PGcancel` is made to be used from another thread than its connection's.
package final class CancelRequestSender: @unchecked Sendable {
    private let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit {
        PQfreeCancel(pointer)
    }

    /// Blocks until the server has taken the request; the signal has been sent by then.
    package func cancel() {
        var message = [CChar](repeating: 0, count: 256)
        PQcancel(pointer, &message, Int32(message.count))
    }
}
