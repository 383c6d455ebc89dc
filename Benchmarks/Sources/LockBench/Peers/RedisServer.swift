import ChildProcesses
import Foundation

/// A Redis server that keeps its data in memory only.
struct RedisServer: Sendable {
    private let server: GuardedServer
    let version: Report.Software
    /// The hash by which the server calls the script that releases a lock.
    let releaseScript: String

    /// What its lock does not promise.
    static let promises = """
        Redis: the lock is a key in the memory of one server, which replicates asynchronously, so a failover can lose it. It expires by \
        time, also under a holder that is only slow. There is no fencing token, and no queue: the client that asks first after the release gets it. \
        Here nothing is written to disk.
        """

    /// Deletes a lock's key if its value is the caller's token. The same as in redis-py.
    static let release = "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end"

    static func start() async throws -> RedisServer {
        let programs = ["redis-server", "redis-cli", "redis-benchmark"]
        for program in programs {
            guard (try? await Child.run(program, ["--version"])) != nil else {
                throw BenchError("there is no \(program) in PATH (Debian: redis-server and redis-tools)")
            }
        }
        // "Redis server v=7.0.15 sha=…"
        let words = try await Child.run("redis-server", ["--version"]).output.split(separator: " ")
        let number = words.first { $0.hasPrefix("v=") }.map { String($0.dropFirst(2)) } ?? "unknown"
        let server = try await GuardedServer.start("redis-server", ready: "Ready to accept connections") { folder, port, _ in
            [
                "--bind", "127.0.0.1", "--port", "\(port)", "--unixsocket", "\(folder)/socket", "--dir", folder, "--save", "",
                "--appendonly", "no",
            ]
        }
        do {
            let load = try await Child.run("redis-cli", ["-s", "\(server.folder)/socket", "SCRIPT", "LOAD", release])
            let hash = load.output.trimmingCharacters(in: .whitespacesAndNewlines)
            return RedisServer(server: server, version: .init(name: "Redis", version: number), releaseScript: hash)
        } catch {
            await server.stop()
            throw error
        }
    }

    var processIdentifier: Int32 { server.processIdentifier }

    func stop() async {
        await server.stop()
    }

    /// The address, as redis-py takes it.
    func url(_ transport: Transport) -> String {
        transport == .tcp ? "redis://127.0.0.1:\(server.port)" : "unix://\(server.folder)/socket"
    }

    /// The address, as the options of redis-cli and redis-benchmark.
    func options(_ transport: Transport) -> [String] {
        transport == .tcp ? ["-h", "127.0.0.1", "-p", "\(server.port)"] : ["-s", "\(server.folder)/socket"]
    }

    @discardableResult
    func run(_ command: [String]) async throws -> String {
        let output = try await Child.run("redis-cli", options(.socket) + command).output
        if output.hasPrefix("ERR") { throw BenchError("Redis refused a command: \(output)") }
        return output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The number of keys.
    func keys() async throws -> Int {
        Int(try await run(["DBSIZE"])) ?? 0
    }
}
