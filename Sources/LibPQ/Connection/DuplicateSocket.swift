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

    /// Ends the connection for all descriptors of the socket.
    func shutDown() {
        shutdown(descriptor, Int32(SHUT_RDWR))
    }
}
