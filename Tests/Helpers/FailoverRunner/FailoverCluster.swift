import Chaos
import ChildProcesses
import Foundation
import PostgresLockTesting

/// Three servers under Patroni, with etcd.
struct FailoverCluster: Sendable {
    struct Setup: Sendable {
        let tools: FailoverTools
        /// Tells clusters apart that run at the same time.
        let index: Int
        let isSynchronous: Bool
        let checksTimeline: Bool
        let hasNetworks: Bool
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    static let size = 3

    let setup: Setup
    let network: PrivateNetwork?
    let members: [ClusterMember]
    private let folder: GuardedCluster
    private let etcd: ChildProcess
    private let binaryDirectory: String

    /// Starts a cluster, and waits until it is in order.
    ///
    /// - Parameter records: The folder for the logs.
    init(setup: Setup, binaryDirectory: String, records: URL) async throws {
        self.setup = setup
        self.binaryDirectory = binaryDirectory
        let account = setup.tools.account
        folder = try GuardedCluster(owner: account.user, group: account.group)
        network = setup.hasNetworks ? PrivateNetwork(index: setup.index) : nil
        let inside = try await network?.create(members: Self.size) ?? Array(repeating: [], count: Self.size)
        let local = network?.hostAddress ?? "127.0.0.1"
        let etcdPort = try setup.hasNetworks ? 2379 : findFreePort()
        let peers = "http://127.0.0.1:\(try findFreePort())"
        try Self.makeFolder("\(folder.path)/etcd", for: account)
        etcd = try ChildProcess(
            account.launcher + [
                setup.tools.etcd, "--name", "e", "--data-dir", "\(folder.path)/etcd/data", "--unsafe-no-fsync",
                "--listen-client-urls", "http://\(local):\(etcdPort)", "--advertise-client-urls", "http://\(local):\(etcdPort)",
                "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "e=\(peers)",
            ],
            environment: FailoverTools.environment,
            directory: "\(folder.path)/etcd",
            output: .file(records.appending(path: "etcd.log").path()),
            error: .output
        )
        var members: [ClusterMember] = []
        for number in 0..<Self.size {
            let path = "\(folder.path)/n\(number + 1)"
            try Self.makeFolder(path, for: account)
            let configuration = PatroniConfiguration(
                name: "n\(number + 1)",
                address: network?.clusterAddress(number) ?? "127.0.0.1",
                port: try setup.hasNetworks ? 5432 : findFreePort(),
                restPort: try setup.hasNetworks ? 8008 : findFreePort(),
                listens: setup.hasNetworks ? "0.0.0.0" : "127.0.0.1",
                etcd: "\(local):\(etcdPort)",
                folder: path,
                binaryDirectory: binaryDirectory,
                isSynchronous: setup.isSynchronous,
                checksTimeline: setup.checksTimeline
            )
            try configuration.text.write(toFile: "\(path)/patroni.yml", atomically: true, encoding: .utf8)
            members.append(
                ClusterMember(
                    configuration: configuration,
                    clientAddress: network?.clientAddress(number) ?? "127.0.0.1",
                    command: inside[number] + account.launcher + [setup.tools.patroni, "\(path)/patroni.yml"],
                    log: records.appending(path: "n\(number + 1).log").path()
                )
            )
        }
        self.members = members
        do {
            try await members[0].start()
            guard await Self.wait(60, for: { await members[0].client.isPrimary() }) else {
                throw Failure(description: "The first server did not become a primary within 60 s: see \(records.path())n1.log.")
            }
            for member in members.dropFirst() { try await member.start() }
            guard await waitUntilHealthy(within: 60) else {
                throw Failure(description: "The standbys did not follow within 60 s: see the logs in \(records.path()).")
            }
        } catch {
            await remove()
            throw error
        }
    }

    /// The hosts of a connection string, in an order of their own for each number.
    func url(order: Int) -> String {
        var list = members
        list = Array(list[(order % Self.size)...] + list[..<(order % Self.size)])
        if order >= Self.size { list.reverse() }
        let hosts = list.map(\.clientAddress).joined(separator: ",")
        return "host=\(hosts) port=\(list.map { "\($0.configuration.port)" }.joined(separator: ",")) user=postgres dbname=postgres"
    }

    /// What the members that answer say of their servers.
    func statuses() async -> [(member: ClusterMember, status: PatroniMemberStatus)] {
        await withTaskGroup(of: (ClusterMember, PatroniMemberStatus?).self) { group in
            for member in members { group.addTask { (member, await member.client.status()) } }
            return await group.reduce(into: []) { found, next in
                if let status = next.1 { found.append((next.0, status)) }
            }
        }
    }

    /// The primary with the highest timeline.
    func primary() async -> (member: ClusterMember, timeline: UInt32)? {
        await statuses().filter(\.status.isPrimary).compactMap { entry in entry.status.timeline.map { (entry.member, $0) } }.max {
            $0.1 < $1.1
        }
    }

    func waitUntilHealthy(within seconds: Int) async -> Bool {
        await Self.wait(seconds) {
            for member in members {
                guard let cluster = await member.client.cluster() else { continue }
                return cluster.isHealthy(members: Self.size, isSynchronous: setup.isSynchronous)
            }
            return false
        }
    }

    /// Runs a statement on a member.
    ///
    /// - Returns: Its output; `nil` if it failed.
    func query(_ sql: String, on member: ClusterMember) async -> String? {
        let psql = [Executable.find("\(binaryDirectory)/psql"), Executable.find("psql")].compactMap(\.self).first ?? "psql"
        let result = try? await CapturedProcess(
            [
                psql, "-XAtq", "-h", member.clientAddress, "-p", "\(member.configuration.port)", "-U", "postgres", "-d", "postgres", "-c",
                sql,
            ],
            environment: FailoverTools.environment
        ).finish()
        guard let result, result.succeeded else { return nil }
        return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func remove() async {
        await folder.remove()
        await network?.remove()
    }

    static func wait(_ seconds: Int, for condition: () async -> Bool) async -> Bool {
        let limit = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < limit {
            if await condition() { return true }
            try? await Task.sleep(for: .milliseconds(200))
        }
        return false
    }

    private static func makeFolder(_ path: String, for account: ServerAccount) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        if geteuid() == 0, chown(path, account.user, account.group) != 0 { throw Failure(description: "Giving \(path) away failed.") }
    }
}
