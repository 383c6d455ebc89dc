import Foundation

/// Finds a TCP port of the loopback interface on which no process listens.
///
/// Another process may take the port before the server does. Then the server fails to start, and another port is tried.
package func findFreePort() throws -> Int {
    #if canImport(Glibc)
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
        let descriptor = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    guard descriptor >= 0 else { throw EphemeralPostgresError.system("Creating a socket failed", errno: errno) }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            bind(descriptor, address, length) == 0 ? getsockname(descriptor, address, &length) : -1
        }
    }
    guard result == 0 else { throw EphemeralPostgresError.system("Finding a free TCP port failed", errno: errno) }
    return Int(UInt16(bigEndian: address.sin_port))
}
