import Foundation
import LibPQ

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A network between clients and a throwaway server that takes its time, breaks, or swallows what it is given: what arrives does
/// so late, and in order.
///
/// It listens at a place of its own, and passes on to the server's. Closed by ``close()``.
///
/// One thread does it all: what blocks must not take Dispatch's from the library. What it works with is its own (``SlowWire``);
/// the others leave orders, and ring.
package final class SlowLink: Sendable {
    private struct Orders {
        var delay: Duration
        var isSwallowing = false
        /// The connections that there are have still to be silenced, also if new ones are not to be any more.
        var mustSilence = false
        var isClosed = false
        /// Who waits for all connections to be cut.
        var cuts: [CheckedContinuation<Void, Never>] = []
        /// The most clients that there have been at a time.
        var peak = 0
    }

    /// Where the link's Unix socket is; empty if it listens on TCP.
    package let folder: String
    /// The port to connect to: part of the Unix socket's name, or the TCP port.
    package let port: Int
    private let orders: Locked<Orders>
    private let bell: Bell

    /// Before a server's Unix socket.
    ///
    /// - Parameters:
    ///   - server: The folder of the server's socket.
    ///   - port: The port in the sockets' names.
    ///   - delay: In each direction.
    package convenience init(to server: String, port: Int, delay: Duration) throws {
        let folder = server + "/slow"
        guard mkdir(folder, 0o755) == 0 else { throw SocketFailure() }
        try self.init(
            from: .unix("\(folder)/.s.PGSQL.\(port)"),
            to: .unix("\(server)/.s.PGSQL.\(port)"),
            folder: folder,
            port: port,
            delay: delay
        )
    }

    /// Before a server's TCP port, at a free port.
    package convenience init(toTCP port: Int) throws {
        try self.init(from: .tcp(0), to: .tcp(port), folder: "", port: nil, delay: .zero)
    }

    private init(from place: SocketAddress, to target: SocketAddress, folder: String, port: Int?, delay: Duration) throws {
        self.folder = folder
        let listener = try place.listen()
        self.port = try port ?? SocketAddress.port(of: listener)
        orders = Locked(Orders(delay: delay))
        bell = try Bell()
        Thread.detachNewThread { [orders, bell] in Self.run(listener, target, orders, bell) }
    }

    /// The most clients that have been connected at a time. One that has gone before another one came is not counted with it.
    package var peak: Int { orders.withLock { $0.peak } }

    /// What is sent from now on takes this long, in each direction.
    package func setDelay(_ delay: Duration) {
        orders.withLock { $0.delay = delay }
    }

    /// From now on nothing arrives any more, in either direction, and nobody is told, not even of an end.
    package func swallowEverything() {
        orders.withLock { orders in
            orders.isSwallowing = true
            orders.mustSilence = true
        }
        bell.ring()
    }

    /// New connections work again. Those whose bytes were swallowed stay silent until both ends have closed them.
    package func swallowNothing() {
        orders.withLock { $0.isSwallowing = false }
        bell.ring()
    }

    /// Ends all connections, on both sides.
    package func cut() async {
        await withCheckedContinuation { continuation in
            let isClosed = orders.withLock { orders in
                if !orders.isClosed { orders.cuts.append(continuation) }
                return orders.isClosed
            }
            if isClosed { continuation.resume() } else { bell.ring() }
        }
    }

    /// Ends all connections, and takes no more.
    package func close() {
        orders.withLock { $0.isClosed = true }
        bell.ring()
    }

    // MARK: The thread

    private static func run(_ listener: Int32, _ target: SocketAddress, _ orders: Locked<Orders>, _ bell: Bell) {
        var wires: [SlowWire] = []
        while true {
            let current = orders.withLock { orders in
                let current = orders
                orders.cuts = []
                orders.mustSilence = false
                return current
            }
            if current.isSwallowing || current.mustSilence { for wire in wires { wire.swallow() } }
            if current.isClosed || !current.cuts.isEmpty { for wire in wires { wire.end() } }
            for continuation in current.cuts { continuation.resume() }
            guard !current.isClosed else {
                closeSocket(listener)
                return
            }
            for wire in wires { wire.deliver() }
            wires.removeAll(where: \.isOver)

            var polled = [bell.pollEntry, pollfd(fd: listener, events: Int16(POLLIN), revents: 0)] + wires.flatMap(\.pollEntries)
            guard poll(&polled, nfds_t(polled.count), pause(until: wires.compactMap(\.nextDue).min())) >= 0 else { continue }
            if polled[0].revents != 0 { bell.hush() }
            for (index, wire) in wires.enumerated() {
                wire.receive(polled[2 + 2 * index].revents, polled[3 + 2 * index].revents, delay: orders.withLock(\.delay))
            }
            if polled[1].revents != 0, case let client = accept(listener, nil, nil), client >= 0 {
                wires.append(SlowWire(client: client, server: target.connect()))
                let count = wires.count(where: \.hasClient)
                orders.withLock { $0.peak = max($0.peak, count) }
            }
        }
    }

    /// In milliseconds, as `poll` wants it. Rounded up: what comes too early is not due yet.
    private static func pause(until due: ContinuousClock.Instant?) -> Int32 {
        guard let due else { return -1 }
        let milliseconds = ContinuousClock.now.duration(to: due) / .milliseconds(1)
        return Int32(min(max(milliseconds.rounded(.up), 0), 60_000))
    }
}
