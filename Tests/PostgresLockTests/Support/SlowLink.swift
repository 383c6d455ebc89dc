import Dispatch
import Foundation
import LibPQ
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A network between a client and a throwaway server that takes its time: everything arrives late, in order.
///
/// It listens on a Unix socket of its own, and passes on to the server's. Closed by ``close()``, to be called once: the
/// descriptor's number is somebody else's afterwards.
final class SlowLink: Sendable {
    let folder: String
    private let listener: Int32
    private let target: String
    private let delay: Duration
    private let connections = Locked<[Int32]>([])
    private let isSwallowing = Atomic(false)

    /// - Parameters:
    ///   - server: The server's Unix socket.
    ///   - port: The port in the sockets' names.
    ///   - delay: In each direction.
    init(to server: String, port: Int, delay: Duration) throws {
        folder = server + "/slow"
        target = server + "/.s.PGSQL.\(port)"
        self.delay = delay
        guard mkdir(folder, 0o755) == 0 else { throw Failure(errno) }
        listener = socket(AF_UNIX, stream, 0)
        let isListening = Self.withAddress(folder + "/.s.PGSQL.\(port)") { bind(listener, $0, $1) == 0 }
        guard isListening, listen(listener, 64) == 0 else { throw Failure(errno) }
        // Threads of its own: what blocks must not take Dispatch's from the library.
        Thread.detachNewThread { [weak self, listener] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0, let self else { return }
                self.serve(client)
            }
        }
    }

    struct Failure: Error {
        let code: Int32
        init(_ code: Int32) { self.code = code }
    }

    /// From now on nothing arrives any more, in either direction, and nobody is told.
    func swallowEverything() {
        isSwallowing.store(true, ordering: .sequentiallyConsistent)
    }

    func close() {
        shutdown(listener, Int32(SHUT_RDWR))
        closeDescriptor(listener)
        for descriptor in connections.withLock({ $0 }) { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    private func serve(_ client: Int32) {
        let server = socket(AF_UNIX, stream, 0)
        guard Self.withAddress(target, { connect(server, $0, $1) == 0 }) else {
            closeDescriptor(client)
            closeDescriptor(server)
            return
        }
        connections.withLock { $0 += [client, server] }
        pump(from: client, to: server)
        pump(from: server, to: client)
    }

    /// One thread reads, the next writes what is due: so a delay is not a limit on the throughput.
    private func pump(from source: Int32, to sink: Int32) {
        let line = DispatchQueue(label: "slow link, one way")
        let delay = self.delay
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(source, &buffer, buffer.count)
                let due = DispatchTime.now() + .nanoseconds(Int(delay / .nanoseconds(1)))
                guard count > 0 else {
                    line.asyncAfter(deadline: due) { shutdown(sink, Int32(SHUT_RDWR)) }
                    return
                }
                if self.isSwallowing.load(ordering: .sequentiallyConsistent) { continue }
                let bytes = buffer.prefix(count)
                line.asyncAfter(deadline: due) {
                    bytes.withUnsafeBytes { bytes in
                        var rest = bytes[...]
                        while !rest.isEmpty {
                            let written = send(sink, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count, noSignal)
                            guard written > 0 else { return }
                            rest = rest.dropFirst(written)
                        }
                    }
                }
            }
        }
    }

    private static func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Bool) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }
}

// What Linux calls by other types than Darwin does.
#if canImport(Darwin)
    private let stream = SOCK_STREAM
    private let noSignal: Int32 = 0
#else
    private let stream = Int32(SOCK_STREAM.rawValue)
    private let noSignal = Int32(MSG_NOSIGNAL)
#endif

/// The C function, which inside the class is hidden by its method.
private func closeDescriptor(_ descriptor: Int32) {
    _ = close(descriptor)
}
