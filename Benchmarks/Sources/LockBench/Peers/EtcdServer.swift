import ChildProcesses
import Foundation

/// An etcd server, a cluster of one member.
struct EtcdServer: Sendable {
    private let server: GuardedServer
    let version: Report.Software

    /// What its lock does not promise.
    static let promises = """
        etcd: the lock is a key that is bound to a lease, and is lost when the lease is not renewed in time, also under a holder that is only \
        slow. The key's revision can serve as a fencing token. Here the cluster has one member, so nothing is replicated, and its log is in \
        memory where possible, so no disk is waited for: in production each lock and unlock costs a round of replication.
        """

    /// How it is called, for the reader of a table.
    static let note = """
        etcd's client is Python over one HTTP connection to the server's JSON gateway, which turns each request into gRPC: that costs, and a \
        gRPC client would save it. The lease is granted once, before the measurement.
        """

    static func start() async throws -> EtcdServer {
        guard let output = try? await Child.run("etcd", ["--version"]).output else {
            throw BenchError("there is no etcd in PATH (Debian: etcd-server)")
        }
        // "etcd Version: 3.4.23"
        let number = output.split(separator: "\n").first?.split(separator: " ").last.map(String.init) ?? "unknown"
        let server = try await GuardedServer.start("etcd", ready: "ready to serve client requests") { folder, port, peers in
            let clients = "http://127.0.0.1:\(port)"
            let members = "http://127.0.0.1:\(peers)"
            return [
                "--name", "bench", "--data-dir", "\(folder)/data", "--listen-client-urls", clients, "--advertise-client-urls", clients,
                "--listen-peer-urls", members, "--initial-advertise-peer-urls", members, "--initial-cluster", "bench=\(members)",
            ]
        }
        return EtcdServer(server: server, version: .init(name: "etcd", version: number))
    }

    var processIdentifier: Int32 { server.processIdentifier }
    var url: String { "http://127.0.0.1:\(server.port)" }

    func stop() async {
        await server.stop()
    }
}
