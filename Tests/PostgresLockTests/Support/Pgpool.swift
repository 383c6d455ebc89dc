import CLibPQ
import ChildProcesses
import Foundation
import Testing

@testable import PostgresLockTesting

/// A Pgpool-II in front of throwaway servers. It ends with the body, or with this process, however that ends.
final class Pgpool: Sendable {
    private static let port = 9999

    private let folder: String
    private let process: ChildProcess
    private let database: String

    /// Only some systems have it.
    static var isInstalled: Bool { Executable.find("pgpool") != nil }

    /// Runs a body with Pgpool-II in front of the test's database.
    ///
    /// - Parameters:
    ///   - mode: Its `backend_clustering_mode`.
    ///   - standby: A second server. All statements go there that Pgpool-II distributes.
    ///   - settings: Further ones.
    static func with(
        _ mode: String,
        standby: EphemeralPostgres? = nil,
        settings: [String: String] = [:],
        _ body: (Pgpool) async throws -> Void
    ) async throws {
        let database = try TestDatabase.get()
        let pgpool = try await Pgpool(mode, [database.server, standby].compactMap(\.self), settings, database: database.name)
        do {
            try await body(pgpool)
        } catch {
            await pgpool.stop()
            throw error
        }
        await pgpool.stop()
    }

    private init(_ mode: String, _ servers: [EphemeralPostgres], _ settings: [String: String], database: String) async throws {
        self.database = database
        let program = try #require(Executable.find("pgpool"))
        let account = try ServerAccount.current()
        folder = "\(servers[0].socketDirectory)/pgpool-\(UInt32.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        if geteuid() == 0 { chown(folder, account.user, account.group) }
        var all = [
            "backend_clustering_mode": mode, "listen_addresses": "", "port": "\(Self.port)", "socket_dir": folder,
            "unix_socket_directories": folder, "pcp_socket_dir": folder, "pcp_listen_addresses": "", "wd_ipc_socket_dir": folder,
            "pid_file_name": "\(folder)/pid", "logdir": folder, "work_dir": folder, "pool_passwd": "", "enable_pool_hba": "off",
            "num_init_children": "20", "max_pool": "1", "load_balance_mode": "on", "sr_check_user": "postgres",
            "sr_check_database": "postgres",
        ]
        for (index, server) in servers.enumerated() {
            all["backend_hostname\(index)"] = server.socketDirectory
            all["backend_port\(index)"] = "\(server.port)"
            all["backend_weight\(index)"] = index == servers.count - 1 ? "1" : "0"
            all["backend_flag\(index)"] = "DISALLOW_TO_FAILOVER"
        }
        let lines = all.merging(settings) { $1 }.map { "\($0.key) = '\($0.value)'" }
        let file = "\(folder)/pgpool.conf"
        try lines.joined(separator: "\n").write(toFile: file, atomically: false, encoding: .utf8)
        chmod(file, 0o644)

        // By this signal its processes end without waiting for their clients.
        process = try ChildProcess(
            ["/bin/sh", "-c", #""$@" 2>log & read -r _; kill -INT $!; wait"#, "sh"] + account.launcher + [program, "-n", "-f", file],
            environment: CommandRunner.environment,
            directory: folder,
            input: .pipe,
            output: .null,
            error: .null
        )
        let limit = ContinuousClock.now + .seconds(60)
        while await !Self.answers("\(url) connect_timeout='5'") {
            try #require(ContinuousClock.now < limit, "pgpool does not answer; see \(folder)/log")
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Whether it accepts connections. On a thread of its own, since this blocks.
    private static func answers(_ url: String) async -> Bool {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: PQping(url) == PQPING_OK) }
        }
    }

    private func stop() async {
        process.closeInput()
        _ = try? await process.waitForEnd(within: .seconds(20))
    }

    /// The test's database through Pgpool-II.
    var url: String { "host='\(folder)' port='\(Self.port)' dbname='\(database)' user='postgres'" }
}
