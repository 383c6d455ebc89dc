#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A descriptor of its own for the socket of a `PGconn`, to watch it by.
///
/// libpq closes its descriptor by itself when the server has closed the connection. The number may then be in use again at once, for
/// something else.
final class DuplicateSocket: Sendable {
    let descriptor: Int32

    /// - Returns: `nil` if there is no such socket, or the process has no descriptor left.
    init?(of socket: Int32) {
        let descriptor = fcntl(socket, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { return nil }
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// After a failure to make one: the reason.
    static var failure: String { String(cString: strerror(errno)) }

    /// Ends the connection for all descriptors of the socket.
    func shutDown() {
        shutdown(descriptor, Int32(SHUT_RDWR))
    }

    /// Sends nothing more, for all descriptors of the socket. A server process that runs a statement notices by that that its client has gone, although
    /// this descriptor keeps the connection open.
    func endWriting() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Reads what the socket has, but no more than some 64 KiB, since a server may go on sending for long.
    ///
    /// - Returns: Whether nothing more will come.
    func isAtEnd() -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            for _ in 0..<16 {
                let count = recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
                if count > 0 || count < 0 && errno == EINTR { continue }
                return count == 0 || errno != EAGAIN && errno != EWOULDBLOCK
            }
            return false
        }
    }
}
