import CLibPQ

/// Sends cancel requests for one session, over a connection of libpq's own for each.
///
/// Unchecked, because a `PGcancel` may be used on another thread than its connection.
package final class CancelRequestSender: @unchecked Sendable {
    private let pointer: OpaquePointer

    /// - Returns: `nil` if the connection has failed.
    init?(for connection: OpaquePointer) {
        guard let pointer = PQgetCancel(connection) else { return nil }
        self.pointer = pointer
    }

    deinit {
        PQfreeCancel(pointer)
    }

    /// Blocks until the server has taken the request; the signal has been sent by then.
    package func send() {
        var message = [CChar](repeating: 0, count: 256)
        PQcancel(pointer, &message, Int32(message.count))
    }
}
