import Foundation

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A host that accepts connections, as a frozen one does, and never answers. Its address is 127.0.0.2.
final class SilentHost: Sendable {
    static let address = "127.0.0.2"

    private let listener: Int32

    struct Failure: Error {
        let code: Int32
    }

    init(port: Int) throws {
        #if canImport(Darwin)
            listener = socket(AF_INET, SOCK_STREAM, 0)
        #else
            listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #endif
        _ = fcntl(listener, F_SETFD, FD_CLOEXEC)
        _ = fcntl(listener, F_SETFL, O_NONBLOCK)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr(Self.address)
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
        }
        guard isBound, listen(listener, 64) == 0 else { throw Failure(code: errno) }
    }

    /// How many connections were made since the last call.
    func connections() -> Int {
        var count = 0
        while case let client = accept(listener, nil, nil), client >= 0 {
            count += 1
            close(client)
        }
        return count
    }

    deinit { close(listener) }
}
