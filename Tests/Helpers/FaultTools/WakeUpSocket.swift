import Foundation

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A pair of sockets by which one thread ends another thread's `poll`.
final class WakeUpSocket: Sendable {
    private let reading: Int32
    private let writing: Int32

    init() throws {
        var pair: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, stream, 0, &pair) == 0 else { throw SocketFailure() }
        (reading, writing) = (pair[0], pair[1])
        for descriptor in pair { SocketAddress.prepare(descriptor) }
    }

    deinit {
        close(reading)
        close(writing)
    }

    var pollEntry: pollfd { pollfd(fd: reading, events: Int16(POLLIN), revents: 0) }

    func wake() {
        // If the buffer is full, earlier bytes wake the thread already.
        _ = send(writing, [1], 1, 0)
    }

    func clear() {
        var buffer = [UInt8](repeating: 0, count: 64)
        while recv(reading, &buffer, buffer.count, 0) > 0 {}
    }
}
