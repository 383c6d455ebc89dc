import Chaos
import Foundation

/// Asks a member's Patroni, by HTTP.
struct PatroniClient: Sendable {
    let address: String
    let port: Int

    func cluster() async -> PatroniCluster? { try? await PatroniCluster(send("GET", "/cluster")) }
    func status() async -> PatroniMemberStatus? { try? await PatroniMemberStatus(send("GET", "/patroni")) }
    func isPrimary() async -> Bool { await status()?.isPrimary == true }

    /// - Returns: What it answers, also if that is a refusal; empty without an answer.
    @discardableResult
    func send(_ method: String, _ path: String, _ body: String = "", limit: Int = 2) async -> Data {
        await withCheckedContinuation { continuation in
            // The calls block, so they need a thread of their own.
            Thread.detachNewThread { continuation.resume(returning: exchange(method, path, body, limit)) }
        }
    }

    private func exchange(_ method: String, _ path: String, _ body: String, _ limit: Int) -> Data {
        #if canImport(Glibc)
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
            let descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { return Data() }
        defer { close(descriptor) }
        // Linux limits the connecting by the limit of sending.
        var time = timeval(tv_sec: limit, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        var server = sockaddr_in()
        server.sin_family = sa_family_t(AF_INET)
        server.sin_port = UInt16(port).bigEndian
        server.sin_addr.s_addr = inet_addr(address)
        let isConnected = withUnsafePointer(to: &server) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
        }
        let request = "\(method) \(path) HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        guard isConnected, Array(request.utf8).withUnsafeBytes({ write(descriptor, $0.baseAddress, $0.count) }) == request.utf8.count
        else { return Data() }
        var answer = Data()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = read(descriptor, &buffer, buffer.count), count > 0 { answer.append(contentsOf: buffer[..<count]) }
        guard let end = answer.range(of: Data("\r\n\r\n".utf8)) else { return Data() }
        return Data(answer[end.upperBound...])
    }
}
