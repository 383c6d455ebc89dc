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

    /// Reads what the socket has.
    ///
    /// - Returns: Whether nothing more will come.
    func isAtEnd() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 || count < 0 && errno == EINTR { continue }
            return count == 0 || errno != EAGAIN && errno != EWOULDBLOCK
        }
    }
}
