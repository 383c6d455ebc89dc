import ChildProcesses
import Foundation

/// The networks of one cluster: one bridge for the members and etcd, one for the clients, and a namespace per member that is on both.
///
/// The namespaces end with their last process, and everything in them with them.
actor PrivateNetwork {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private static let marker = "FAILOVER_NAMESPACE"

    private let index: Int
    /// A process per member, whose namespace it keeps alive until its input ends.
    private var holders: [ChildProcess] = []

    init(index: Int) {
        self.index = index
    }

    /// Goes on in a network namespace of its own, in which nothing of the machine's network is seen, if this process may.
    ///
    /// - Returns: Whether it is in one. If it was not yet, the program begins anew.
    static func enter() -> Bool {
        if ProcessInfo.processInfo.environment[marker] != nil { return true }
        guard geteuid() == 0, access("/proc/self/exe", X_OK) == 0, isAllowed() else { return false }
        setenv(marker, "1", 1)
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
        let arguments = ["unshare", "-n", "--", program] + CommandLine.arguments.dropFirst()
        var pointers = arguments.map { strdup($0) } + [nil]
        execvp("unshare", &pointers)
        return false
    }

    private static func isAllowed() -> Bool {
        let test = try? ChildProcess(
            ["/usr/bin/env", "unshare", "-n", "ip", "link", "add", "test0", "type", "bridge"],
            output: .null,
            error: .null
        )
        test?.blockUntilEnd()
        return test?.poll() == .exited(0)
    }

    nonisolated var hostAddress: String { "10.\(101 + index).1.254" }
    nonisolated func clusterAddress(_ member: Int) -> String { "10.\(101 + index).1.\(member + 1)" }
    nonisolated func clientAddress(_ member: Int) -> String { "10.\(101 + index).2.\(member + 1)" }

    /// - Returns: The command that runs a program in the namespace of each member.
    func create(members: Int) async throws -> [[String]] {
        try await run("ip", "link", "set", "lo", "up")
        for (network, name) in [(1, "cluster"), (2, "client")] {
            try await run("ip", "link", "add", "\(name)\(index)", "type", "bridge")
            try await run("ip", "addr", "add", "10.\(101 + index).\(network).254/24", "dev", "\(name)\(index)")
            try await run("ip", "link", "set", "\(name)\(index)", "up")
        }
        for member in 0..<members {
            let holder = try ChildProcess(
                ["/usr/bin/env", "unshare", "-n", "/bin/sh", "-c", "echo ready; read -r _"],
                input: .pipe,
                output: .pipe
            )
            for await _ in holder.lines { break }
            holders.append(holder)
            for (network, name) in [(1, "cluster"), (2, "client")] {
                let (link, peer) = (link(name, member), "peer\(network)")
                try await run("ip", "link", "add", link, "type", "veth", "peer", "name", peer, "netns", "\(holder.processIdentifier)")
                try await run("ip", "link", "set", link, "master", "\(name)\(index)", "up")
                let inside = enterCommand(member)
                try await run(inside + ["ip", "addr", "add", "10.\(101 + index).\(network).\(member + 1)/24", "dev", peer])
                try await run(inside + ["ip", "link", "set", peer, "up"])
            }
            try await run(enterCommand(member) + ["ip", "link", "set", "lo", "up"])
        }
        return (0..<members).map(enterCommand)
    }

    /// Cuts a member off from the other members and etcd, or also from clients.
    func cut(_ member: Int, fromClients: Bool) async throws {
        try await run("ip", "link", "set", link("cluster", member), "down")
        if fromClients { try await run("ip", "link", "set", link("client", member), "down") }
    }

    func mend(_ member: Int) async throws {
        try await run("ip", "link", "set", link("cluster", member), "up")
        try await run("ip", "link", "set", link("client", member), "up")
    }

    func remove() async {
        for holder in holders { holder.closeInput() }
        for holder in holders { _ = await holder.waitForEnd() }
        holders = []
        for name in ["cluster", "client"] { try? await run("ip", "link", "del", "\(name)\(index)") }
    }

    private func link(_ network: String, _ member: Int) -> String { "\(network)\(index)m\(member)" }

    private func enterCommand(_ member: Int) -> [String] {
        ["/usr/bin/env", "nsenter", "-t", "\(holders[member].processIdentifier)", "-n"]
    }

    private func run(_ command: String...) async throws { try await run(["/usr/bin/env"] + command) }

    private func run(_ command: [String]) async throws {
        let result = try await CapturedProcess(command).finish()
        guard result.succeeded else { throw Failure(description: "\(command.joined(separator: " ")): \(result.error)") }
    }
}
