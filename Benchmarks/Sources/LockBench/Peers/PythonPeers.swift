import ChildProcesses
import Foundation

/// Python's `postgresql-lock` and the drivers that it uses, and the client of Redis, in a virtual environment.
struct PythonPeers: Sendable {
    /// The environment's interpreter.
    let program: String
    let version: Report.Software

    /// A script and its first argument.
    enum Peer: String, Sendable {
        case asyncpg = "asyncpg_locks.py plain"
        case asyncpgWithoutReset = "asyncpg_locks.py plain-no-reset"
        case lockAsyncpg = "asyncpg_locks.py postgresql-lock"
        case lockAsyncpgWithoutReset = "asyncpg_locks.py postgresql-lock-no-reset"
        case lockPsycopg = "psycopg_locks.py postgresql-lock"
        case lockPsycopgHandover = "psycopg_handover.py postgresql-lock"
        case redisLock = "redis_locks.py pairs"
        case redisHandover = "redis_locks.py handover"
        case redisFastHandover = "redis_locks.py handover-1ms"
        case etcdLock = "etcd_locks.py pairs"
        case etcdHandover = "etcd_locks.py handover"

        /// The script's path and its first argument.
        var command: [String] {
            let words = rawValue.split(separator: " ").map(String.init)
            return [PeersFolder.path(words[0])] + words.dropFirst()
        }
    }

    private static let packages = ["postgresql-lock", "asyncpg", "psycopg[binary,pool]", "uvloop", "redis[hiredis]"]

    /// A script that prints the installed versions, or fails.
    private static let versionsScript = """
        import platform, asyncpg, hiredis, psycopg, psycopg_pool, redis, uvloop, postgresql_lock
        from importlib.metadata import version
        names = ["postgresql-lock", "asyncpg", "psycopg", "uvloop", "redis", "hiredis"]
        print(platform.python_version() + ", " + ", ".join(f"{name} {version(name)}" for name in names))
        """

    /// Installs the environment if it is not complete.
    static func prepare(missing: inout [String]) async throws -> PythonPeers? {
        let folder = PeersFolder.package.appendingPathComponent(".build-python").path
        let program = "\(folder)/bin/python"
        if let peers = await installed(program) { return peers }
        do {
            guard let python = await findPython() else { throw BenchError("there is no python3 in PATH") }
            StandardError.print("Installing \(packages.joined(separator: ", ")) from PyPI into Benchmarks/.build-python …")
            try? FileManager.default.removeItem(atPath: folder)
            try await Child.run(python, ["-m", "venv", folder])
            try await Child.run(program, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"] + packages)
            if let peers = await installed(program) { return peers }
            throw BenchError("they were installed, but can't be imported")
        } catch {
            try Task.checkCancellation()
            missing.append("the Python peers: \(error)")
            return nil
        }
    }

    private static func installed(_ program: String) async -> PythonPeers? {
        guard let result = try? await Child.run(program, ["-c", versionsScript]) else { return nil }
        return PythonPeers(
            program: program,
            version: .init(name: "Python", version: result.output.trimmingCharacters(in: .whitespacesAndNewlines))
        )
    }

    /// Finds the newest Python, because `postgresql-lock` needs 3.12 from version 0.2 on. Each candidate is tried, because a program in
    /// PATH may be a pyenv shim of a version that is not active.
    private static func findPython() async -> String? {
        if let named = ProcessInfo.processInfo.environment["PGLOCK_PYTHON"], !named.isEmpty { return named }
        let versions = FileManager.default.homeDirectoryForCurrentUser.appendingPathComponent(".pyenv/versions").path
        let ofPyenv = ((try? FileManager.default.contentsOfDirectory(atPath: versions)) ?? [])
            .filter { $0.hasPrefix("3.") }
            .sorted { $0.compare($1, options: .numeric) == .orderedDescending }
            .map { "\(versions)/\($0)/bin/python3" }
        let named = ["python3.14", "python3.13", "python3.12"]
        for candidate in named + ofPyenv + ["python3"] where await works(candidate) {
            return candidate
        }
        return nil
    }

    private static func works(_ program: String) async -> Bool {
        (try? await Child.run(program, ["-c", "import venv"])) != nil
    }

    /// What a contender needs whose server this is.
    static func needs(_ target: Target) -> [Need] {
        switch target {
        case .postgres: [.python]
        case .redis: [.python, .redis]
        case .etcd: [.python, .etcd]
        }
    }
}

extension Contender {
    static func python(
        _ id: String,
        _ title: String,
        _ peer: PythonPeers.Peer,
        _ target: Target = .postgres(.socket),
        tasks: Int
    ) -> Contender {
        Contender(id, title, needs: PythonPeers.needs(target)) { stage in
            let options = ["--tasks", "\(tasks)", "--seconds", "\(stage.plan.seconds)"] + (try stage.serverArguments(target))
            let result = try await stage.run(stage.require(stage.python).program, peer.command + [try stage.url(target)] + options)
            return try Costs(worker: try Child.values(result)).metrics
        }
    }
}
