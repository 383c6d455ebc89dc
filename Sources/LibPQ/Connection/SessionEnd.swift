#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The end of a session at the server, which comes a little after the client has closed it.
///
/// A server process first leaves the list of sessions, by which limits of connections go, and as the last thing its socket is closed. So
/// the end of what can be read says that the session counts no more. The socket has to be kept for that, by a duplicate of its
/// descriptor, as libpq closes its own.
final class SessionEnd {
    /// How long it is waited for.
    ///
    /// A process that runs a statement, or has been stopped, does not notice that its client has gone. Any other does, but on a busy
    /// machine it may take seconds to drop temporary tables and to leave.
    ///
    /// - Parameter isAnswering: Whether the server owed nothing when the session was closed, or has closed it itself.
    static func limit(isAnswering: Bool) -> Duration { isAnswering ? .seconds(5) : .seconds(1) }

    private var isOver = false
    private var handlers: [@Sendable () -> Void] = []

    /// - Parameter handler: Called when the end has come, or is not waited for any longer; soon if that is so already.
    func whenOver(on loop: EventLoop, _ handler: @escaping @Sendable () -> Void) {
        if isOver { loop.submit(handler) } else { handlers.append(handler) }
    }

    func noteOver() {
        isOver = true
        for handler in handlers { handler() }
        handlers = []
    }

    /// Reads what the socket has.
    ///
    /// - Returns: Whether nothing more will come.
    static func isReached(_ socket: DuplicateSocket) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(socket.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 || count < 0 && errno == EINTR { continue }
            return count == 0 || errno != EAGAIN && errno != EWOULDBLOCK
        }
    }
}
