import Foundation

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// One connection through a ``SlowLink``, with both directions. Belongs to the link's thread.
final class SlowWire {
    /// What travels one way.
    private struct Way {
        /// No bytes are the end of the connection.
        struct Parcel {
            let due: ContinuousClock.Instant
            var bytes: ArraySlice<UInt8>
        }

        var parcels: [Parcel] = []
        var size = 0
        /// The receiver takes no more for now.
        var isBlocked = false
        var isEnded = false

        /// A sender that is faster than its receiver is held up, as by a real network.
        var hasRoom: Bool { size < 1_000_000 && !isEnded }
    }

    private var sockets: [Int32]
    /// From the client to the server, and back.
    private var ways = [Way(), Way()]
    private var isSwallowed = false

    /// - Parameter server: Negative if there is none.
    init(client: Int32, server: Int32) {
        sockets = [client, server]
        for socket in sockets where socket >= 0 { SocketAddress.prepare(socket) }
        if server < 0 { end() }
    }

    /// Whether its client is still there, as far as is known.
    var hasClient: Bool { !isOver && !ways[0].isEnded }

    var isOver: Bool { sockets.allSatisfy { $0 < 0 } }

    var pollEntries: [pollfd] {
        (0..<2).map { side in
            var events: Int16 = 0
            if isSwallowed || ways[side].hasRoom { events |= Int16(POLLIN) }
            if !isSwallowed, ways[1 - side].isBlocked { events |= Int16(POLLOUT) }
            // Without a wish there is nothing to be told either: the end of a socket is found by reading.
            return pollfd(fd: events == 0 ? -1 : sockets[side], events: events, revents: 0)
        }
    }

    /// When the next parcel is to be delivered.
    var nextDue: ContinuousClock.Instant? {
        isSwallowed ? nil : ways.filter { !$0.isBlocked }.compactMap(\.parcels.first?.due).min()
    }

    /// Nothing arrives any more, and neither end is told of the other's.
    func swallow() {
        isSwallowed = true
        ways = [Way(), Way()]
    }

    func end() {
        for side in 0..<2 { close(side) }
    }

    func receive(_ client: Int16, _ server: Int16, delay: Duration) {
        for (side, events) in [client, server].enumerated() where events != 0 && sockets[side] >= 0 {
            if events & Int16(POLLOUT) != 0 { ways[1 - side].isBlocked = false }
            if events & ~Int16(POLLOUT) != 0 { read(side, delay) }
        }
    }

    private func read(_ side: Int, _ delay: Duration) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(sockets[side], &buffer, buffer.count, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        if isSwallowed {
            if count <= 0 { close(side) }
            return
        }
        // What was sent before is not overtaken when the delay gets shorter.
        let due = max(ContinuousClock.now + delay, ways[side].parcels.last?.due ?? .now)
        ways[side].parcels.append(.init(due: due, bytes: Array(buffer.prefix(max(count, 0)))[...]))
        ways[side].size += max(count, 0)
        ways[side].isEnded = count <= 0
    }

    /// Delivers what is due.
    func deliver() {
        guard !isSwallowed else { return }
        let now = ContinuousClock.now
        for side in 0..<2 {
            while !isOver, !ways[side].isBlocked, let parcel = ways[side].parcels.first, parcel.due <= now {
                guard !parcel.bytes.isEmpty else { return end() }
                let sent = parcel.bytes.withUnsafeBytes { send(sockets[1 - side], $0.baseAddress, $0.count, noSignal) }
                if sent < 0 {
                    guard errno == EAGAIN || errno == EINTR else { return end() }
                    ways[side].isBlocked = true
                } else if sent == parcel.bytes.count {
                    ways[side].parcels.removeFirst()
                    ways[side].size -= sent
                } else {
                    ways[side].parcels[0].bytes.removeFirst(sent)
                    ways[side].size -= sent
                }
            }
        }
    }

    private func close(_ side: Int) {
        guard sockets[side] >= 0 else { return }
        // A process that was started meanwhile may have a copy, which alone would keep it open.
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

/// The C function, which inside the class is hidden by its method.
func closeSocket(_ socket: Int32) {
    _ = close(socket)
}
