import Foundation

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The address of a listening socket on this machine.
enum SocketAddress: Sendable {
    case unix(String)
    case tcp(Int)

    func listen() throws -> Int32 {
        let descriptor = makeSocket()
        guard withAddress({ bind(descriptor, $0, $1) == 0 }), systemListen(descriptor, 64) == 0 else {
            throw SocketFailure()
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return descriptor
    }

    /// - Returns: The connected socket; a negative number if connecting fails.
    func connect() -> Int32 {
        let descriptor = makeSocket()
        if withAddress({ systemConnect(descriptor, $0, $1) == 0 }) { return descriptor }
        closeSocket(descriptor)
        return -1
    }

    static func port(of descriptor: Int32) throws -> Int {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard result == 0 else { throw SocketFailure() }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    /// Makes a socket non-blocking, sending without delay, and closed on exec.
    static func prepare(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var isOn: Int32 = 1
        // A Unix socket refuses the option and does not need it.
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &isOn, socklen_t(MemoryLayout<Int32>.size))
    }

    private func makeSocket() -> Int32 {
        switch self {
        case .unix: socket(AF_UNIX, stream, 0)
        case .tcp: socket(AF_INET, stream, 0)
        }
    }

    private func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Bool) -> Bool {
        switch self {
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
            return Self.withGeneric(&address, body)
        case .tcp(let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(port).bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            return Self.withGeneric(&address, body)
        }
    }

    private static func withGeneric<Address>(
        _ address: inout Address,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Bool
    ) -> Bool {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<Address>.size)) }
        }
    }
}

/// A failure of a function of the operating system, with its `errno`.
struct SocketFailure: Error {
    let code = errno
}

// The constant's type differs between Linux and Darwin.
#if canImport(Darwin)
    let stream = SOCK_STREAM
#else
    let stream = Int32(SOCK_STREAM.rawValue)
#endif

// The methods of the type hide the C functions `listen` and `connect`.
private func systemListen(_ descriptor: Int32, _ backlog: Int32) -> Int32 { listen(descriptor, backlog) }

private func systemConnect(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Int32 {
    connect(descriptor, address, length)
}
