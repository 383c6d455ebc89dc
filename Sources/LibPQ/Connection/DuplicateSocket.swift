#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A descriptor of our own for somebody else's socket: libpq closes its own by itself when the server has gone, and the number may
/// soon be another's.
final class DuplicateSocket: Sendable {
    let descriptor: Int32

    /// `nil` if there is none, or no descriptor is left.
    init?(of socket: Int32) {
        descriptor = fcntl(socket, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { return nil }
    }

    deinit {
        close(descriptor)
    }

    /// Ends the connection, for whoever else has the socket, too.
    func shutDown() {
        shutdown(descriptor, Int32(SHUT_RDWR))
    }
}
