import Foundation
import LibPQ

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A proxy between clients and a temporary server that simulates a slow or broken network. It delays all bytes, ends connections, or
/// drops everything without closing them. Bytes that arrive keep their order.
///
/// It listens at an address of its own and forwards to the server's address until ``close()``, or to the addresses of several servers in turn.
///
/// One thread of its own does all the work, so that it does not occupy threads of Dispatch that the library needs. The connections
/// (``SlowWire``) belong to that thread. Other threads change the `State` under its lock and wake the thread.
package final class SlowLink: Sendable {
    private struct State {
        var delay: Duration
        /// What a server sends behind a message with these bytes is held back.
        var lastMessage: [UInt8]?
        var isHoldingBack = false
        var isSwallowing = false
        /// Existing connections still have to be silenced, even if new ones are forwarded again.
        var mustSilence = false
        var isClosed = false
        /// The callers that wait until all connections are cut.
        var cuts: [CheckedContinuation<Void, Never>] = []
        /// The largest number of clients that were connected at the same time.
        var peak = 0
    }

    /// Where the link's Unix socket is; empty if it listens on TCP.
    package let folder: String
    /// The port to connect to: part of the Unix socket's name, or the TCP port.
    package let port: Int
    private let state: Locked<State>
    private let wakeUp: WakeUpSocket

    /// Forwards to a server's Unix socket.
    ///
    /// - Parameters:
    ///   - server: The folder of the server's socket.
    ///   - port: The port in the sockets' names.
    ///   - delay: The delay in each direction.
    package convenience init(to server: String, port: Int, delay: Duration) throws {
        try self.init(spreadingOver: [(server, port)], delay: delay)
    }

    /// Forwards to the Unix sockets of several servers, as a load balancer does: each connection to the next one in turn.
    ///
    /// - Parameters:
    ///   - servers: The folder of each server's socket, and the port in its name. A server may be named several times.
    ///   - delay: The delay in each direction.
    package convenience init(spreadingOver servers: [(folder: String, port: Int)], delay: Duration = .zero) throws {
        let folder = servers[0].folder + "/slow"
        let port = servers[0].port
        guard mkdir(folder, 0o755) == 0 else { throw SocketFailure() }
        try self.init(
            from: .unix("\(folder)/.s.PGSQL.\(port)"),
            to: servers.map { .unix("\($0.folder)/.s.PGSQL.\($0.port)") },
            folder: folder,
            port: port,
            delay: delay
        )
    }

    /// Forwards from a free TCP port to a server's TCP port.
    package convenience init(toTCP port: Int) throws {
        try self.init(from: .tcp(0), to: [.tcp(port)], folder: "", port: nil, delay: .zero)
    }

    private init(from address: SocketAddress, to targets: [SocketAddress], folder: String, port: Int?, delay: Duration) throws {
        self.folder = folder
        let listener = try address.listen()
        self.port = try port ?? SocketAddress.port(of: listener)
        state = Locked(State(delay: delay))
        wakeUp = try WakeUpSocket()
        Thread.detachNewThread { [state, wakeUp] in Self.run(listener, targets, state, wakeUp) }
    }

    /// The largest number of clients that were connected at the same time.
    package var peak: Int { state.withLock { $0.peak } }

    /// Delays everything that is sent from now on by this time, in each direction.
    package func setDelay(_ delay: Duration) {
        state.withLock { $0.delay = delay }
    }

    /// Holds back, on each connection, what the server sends behind its next message with this text, until ``deliverEverything()``.
    package func holdBack(behind text: String) {
        state.withLock { $0.lastMessage = Array(text.utf8) }
    }

    /// Whether a server has sent such a message, so that what it sends next is held back.
    package var isHoldingBack: Bool { state.withLock { $0.isHoldingBack } }

    package func deliverEverything() {
        state.withLock { $0.lastMessage = nil }
        wakeUp.wake()
    }

    /// Drops everything from now on, in both directions. Neither end is told that the other one has closed the connection.
    package func swallowEverything() {
        state.withLock { state in
            state.isSwallowing = true
            state.mustSilence = true
        }
        wakeUp.wake()
    }

    /// Forwards new connections again. Connections whose bytes were dropped stay silent until both ends have closed them.
    package func swallowNothing() {
        state.withLock { $0.isSwallowing = false }
        wakeUp.wake()
    }

    /// Ends all connections, on both sides.
    package func cut() async {
        await withCheckedContinuation { continuation in
            let isClosed = state.withLock { state in
                if !state.isClosed { state.cuts.append(continuation) }
                return state.isClosed
            }
            if isClosed { continuation.resume() } else { wakeUp.wake() }
        }
    }

    /// Ends all connections, and accepts no more.
    package func close() {
        state.withLock { $0.isClosed = true }
        wakeUp.wake()
    }

    // MARK: The thread

    private static func run(_ listener: Int32, _ targets: [SocketAddress], _ state: Locked<State>, _ wakeUp: WakeUpSocket) {
        var wires: [SlowWire] = []
        var accepted = 0
        while true {
            let current = state.withLock { state in
                let current = state
                state.cuts = []
                state.mustSilence = false
                return current
            }
            if current.isSwallowing || current.mustSilence { for wire in wires { wire.swallow() } }
            if current.isClosed || !current.cuts.isEmpty { for wire in wires { wire.end() } }
            for continuation in current.cuts { continuation.resume() }
            guard !current.isClosed else {
                closeSocket(listener)
                return
            }
            if current.lastMessage == nil { for wire in wires { wire.holdNothingBack() } }
            for wire in wires { wire.deliver() }
            wires.removeAll(where: \.isOver)

            var polled = [wakeUp.pollEntry, pollfd(fd: listener, events: Int16(POLLIN), revents: 0)] + wires.flatMap(\.pollEntries)
            guard poll(&polled, nfds_t(polled.count), pause(until: wires.compactMap(\.nextDue).min())) >= 0 else { continue }
            if polled[0].revents != 0 { wakeUp.clear() }
            for (index, wire) in wires.enumerated() {
                let (delay, lastMessage) = state.withLock { ($0.delay, $0.lastMessage) }
                wire.receive(polled[2 + 2 * index].revents, polled[3 + 2 * index].revents, delay: delay, lastMessage: lastMessage)
            }
            state.withLock { $0.isHoldingBack = wires.contains(where: \.isHoldingBack) }
            if polled[1].revents != 0, case let client = accept(listener, nil, nil), client >= 0 {
                wires.append(SlowWire(client: client, server: targets[accepted % targets.count].connect()))
                accepted += 1
                let count = wires.count(where: \.hasClient)
                state.withLock { $0.peak = max($0.peak, count) }
            }
        }
    }

    /// The timeout for `poll` in milliseconds. It is rounded up, because nothing is due before the time.
    private static func pause(until due: ContinuousClock.Instant?) -> Int32 {
        guard let due else { return -1 }
        let milliseconds = ContinuousClock.now.duration(to: due) / .milliseconds(1)
        return Int32(min(max(milliseconds.rounded(.up), 0), 60_000))
    }
}
