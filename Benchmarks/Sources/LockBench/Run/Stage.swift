import ChildProcesses
import PostgresLockTesting

/// The environment of the contenders: the servers, and the programs that are available.
struct Stage: Sendable {
    let plan: Plan
    let server: EphemeralPostgres
    /// The main process of the PostgreSQL server.
    let serverProcess: Int32
    let pgbench: Pgbench?
    let python: PythonPeers?
    let redis: RedisServer?
    let etcd: EtcdServer?
    /// The cores to which clients are bound; `nil` for none in particular.
    var clientCores: [Int]?

    /// The server's lock table has space for about `max_locks_per_transaction` × `max_connections` locks of all sessions together.
    /// This is enough for the 100,000 locks of one session and those of the workloads.
    static let serverSettings = ["max_connections": "120", "max_locks_per_transaction": "2000"]

    /// The main processes of all servers.
    var serverProcesses: [Int32] {
        [serverProcess] + [redis?.processIdentifier, etcd?.processIdentifier].compactMap { $0 }
    }

    func has(_ need: Need) -> Bool {
        switch need {
        case .pgbench: pgbench != nil
        case .python: python != nil
        case .redis: redis != nil
        case .etcd: etcd != nil
        }
    }

    /// The address of a server, as its clients take it.
    func url(_ target: Target) throws -> String {
        switch target {
        case .postgres(let transport): server.connectionURL(overTCP: transport == .tcp)
        case .redis(let transport): try require(redis).url(transport)
        case .etcd: try require(etcd).url
        }
    }

    func process(_ target: Target) throws -> Int32 {
        switch target {
        case .postgres: serverProcess
        case .redis: try require(redis).processIdentifier
        case .etcd: try require(etcd).processIdentifier
        }
    }

    func require<Resource>(_ resource: Resource?) throws -> Resource {
        guard let resource else { throw BenchError("What this contender needs is missing.") }
        return resource
    }

    /// The command of a client, bound to its cores.
    func client(_ program: String, _ arguments: [String]) -> [String] {
        let binding = clientCores.map { ["taskset", "--cpu-list", Cores.text(of: $0)] } ?? []
        return binding + [program] + arguments
    }

    /// Runs a client to its end.
    func run(_ program: String, _ arguments: [String]) async throws -> CapturedProcess.Result {
        let command = client(program, arguments)
        return try await Child.run(command[0], Array(command.dropFirst()))
    }

    /// Runs a client that has no measurement of processor times of its own. All that it uses counts, also for starting and connecting.
    func runMeasured(_ program: String, _ arguments: [String], against target: Target) async throws -> MeasuredRun {
        let process = try process(target)
        let server = ServerTime.used(by: process)
        let client = ProcessorTime.endedChildren()
        let result = try await run(program, arguments)
        let clientAfter = ProcessorTime.endedChildren()
        let serverAfter = ServerTime.used(by: process)
        return MeasuredRun(
            result: result,
            client: clientAfter - client,
            server: server.flatMap { before in serverAfter.map { $0 - before } }
        )
    }

    /// Runs this program as a worker.
    ///
    /// - Parameter target: The server whose processor time the worker measures beside its own.
    func worker(_ kind: WorkerKind, _ arguments: [String], target: Target? = nil) async throws -> [String: Double] {
        try Child.values(try await run(Child.ownProgram, ["worker", kind.rawValue] + arguments + serverArguments(target)))
    }

    /// The options by which a worker, in Swift or Python, gets the server's process id.
    func serverArguments(_ target: Target?) throws -> [String] {
        try target.map { ["--server", "\(try process($0))"] } ?? []
    }
}

/// A run of a client, and the processor time that the client and the server have used for it, in seconds.
struct MeasuredRun: Sendable {
    let result: CapturedProcess.Result
    let client: Double
    /// `nil` on systems without `/proc`.
    let server: Double?
}

/// A server that a contender uses.
enum Target: Sendable {
    case postgres(Transport)
    case redis(Transport)
    case etcd
}

/// How a client reaches the server on the same machine.
enum Transport: String, CaseIterable, Sendable {
    case socket
    case tcp

    var title: String {
        switch self {
        case .socket: "Unix socket"
        case .tcp: "TCP, 127.0.0.1"
        }
    }
}

/// Programs and servers that a run can do without. The rows that need a missing one are left out.
enum Need: CaseIterable, Sendable {
    case pgbench
    case python
    case redis
    case etcd
}
