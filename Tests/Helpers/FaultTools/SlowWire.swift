import Foundation

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// One connection through a ``SlowLink``, with both directions. Used only on the link's thread.
final class SlowWire {
    /// The bytes in one direction that have not been delivered yet.
    private struct Direction {
        struct Chunk {
            var due: ContinuousClock.Instant
            /// Empty for the end of the connection.
            var bytes: ArraySlice<UInt8>
        }

        var chunks: [Chunk] = []
        var size = 0
        /// The receiver's socket accepts no more bytes at the moment.
        var isBlocked = false
        var isEnded = false

        /// A sender that is faster than its receiver has to wait, as on a real network.
        var hasRoom: Bool { size < 1_000_000 && !isEnded }
    }

    /// The client's and the server's socket; negative once closed.
    private var sockets: [Int32]
    /// From the client to the server, and from the server to the client.
    private var directions = [Direction(), Direction()]
    private var isSwallowed = false
    /// Whether what comes from the server is held back.
    private(set) var isHoldingBack = false

    /// - Parameters:
    ///   - client: The accepted socket of the client.
    ///   - server: The socket that is connected to the server; negative if connecting failed.
    init(client: Int32, server: Int32) {
        sockets = [client, server]
        for socket in sockets where socket >= 0 { SocketAddress.prepare(socket) }
        if server < 0 { end() }
    }

    /// Whether the client has not closed the connection, as far as is known.
    var hasClient: Bool { !isOver && !directions[0].isEnded }

    var isOver: Bool { sockets.allSatisfy { $0 < 0 } }

    var pollEntries: [pollfd] {
        (0..<2).map { side in
            var events: Int16 = 0
            if isSwallowed || directions[side].hasRoom { events |= Int16(POLLIN) }
            if !isSwallowed, directions[1 - side].isBlocked { events |= Int16(POLLOUT) }
            // `poll` ignores a negative descriptor. Otherwise it would report the end of the socket again and again.
            return pollfd(fd: events == 0 ? -1 : sockets[side], events: events, revents: 0)
        }
    }

    /// When the next chunk is to be delivered.
    var nextDue: ContinuousClock.Instant? {
        isSwallowed ? nil : directions.filter { !$0.isBlocked }.compactMap(\.chunks.first?.due).min()
    }

    /// Drops everything from now on. Neither end is told that the other one has closed the connection.
    func swallow() {
        isSwallowed = true
        directions = [Direction(), Direction()]
    }

    func end() {
        for side in 0..<2 { close(side) }
    }

    /// - Parameter lastMessage: See ``SlowLink/holdBack(behind:)``.
    func receive(_ client: Int16, _ server: Int16, delay: Duration, lastMessage: [UInt8]?) {
        for (side, events) in [client, server].enumerated() where events != 0 && sockets[side] >= 0 {
            if events & Int16(POLLOUT) != 0 { directions[1 - side].isBlocked = false }
            if events & ~Int16(POLLOUT) != 0 { read(side, delay, side == 1 ? lastMessage : nil) }
        }
    }

    private func read(_ side: Int, _ delay: Duration, _ lastMessage: [UInt8]?) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(sockets[side], &buffer, buffer.count, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        if isSwallowed {
            if count <= 0 { close(side) }
            return
        }
        var bytes = buffer.prefix(max(count, 0))
        if side == 1, !isHoldingBack, let end = lastMessage.flatMap({ Self.end(ofMessageWith: $0, in: bytes) }) {
            append(bytes[..<end], side, delay)
            bytes = bytes[end...]
            isHoldingBack = true
        }
        if count <= 0 || !bytes.isEmpty { append(bytes, side, side == 1 && isHoldingBack ? Self.unlimited : delay) }
        directions[side].isEnded = count <= 0
    }

    private func append(_ bytes: ArraySlice<UInt8>, _ side: Int, _ delay: Duration) {
        // Bytes keep their order when the delay gets shorter.
        let due = max(ContinuousClock.now + delay, directions[side].chunks.last?.due ?? .now)
        directions[side].chunks.append(.init(due: due, bytes: bytes))
        directions[side].size += bytes.count
    }

    private static let unlimited = Duration.seconds(1_000_000)

    /// The fields of a notice or error end with a zero each, and the message with another one.
    private static func end(ofMessageWith text: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        guard let begin = bytes.firstRange(of: text)?.lowerBound else { return nil }
        return bytes[begin...].firstRange(of: [0, 0])?.upperBound
    }

    func holdNothingBack() {
        guard isHoldingBack else { return }
        isHoldingBack = false
        for index in directions[1].chunks.indices { directions[1].chunks[index].due = .now }
    }

    /// Delivers the chunks that are due.
    func deliver() {
        guard !isSwallowed else { return }
        let now = ContinuousClock.now
        for side in 0..<2 {
            while !isOver, !directions[side].isBlocked, let chunk = directions[side].chunks.first, chunk.due <= now {
                guard !chunk.bytes.isEmpty else { return end() }
                let sent = chunk.bytes.withUnsafeBytes { send(sockets[1 - side], $0.baseAddress, $0.count, noSignal) }
                if sent < 0 {
                    guard errno == EAGAIN || errno == EINTR else { return end() }
                    directions[side].isBlocked = true
                } else if sent == chunk.bytes.count {
                    directions[side].chunks.removeFirst()
                    directions[side].size -= sent
                } else {
                    directions[side].chunks[0].bytes.removeFirst(sent)
                    directions[side].size -= sent
                }
            }
        }
    }

    private func close(_ side: Int) {
        guard sockets[side] >= 0 else { return }
        // `close` alone may not end the connection: a process that was started meanwhile may have inherited the socket.
        shutdown(sockets[side], Int32(SHUT_RDWR))
        closeSocket(sockets[side])
        sockets[side] = -1
    }
}

#if canImport(Darwin)
    private let noSignal: Int32 = 0
#else
    private let noSignal = Int32(MSG_NOSIGNAL)
#endif

/// Calls the C function `close`, which the methods of this name hide.
func closeSocket(_ socket: Int32) {
    _ = close(socket)
}
