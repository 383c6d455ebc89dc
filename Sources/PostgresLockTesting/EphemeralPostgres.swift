/// A real PostgreSQL server for a test or a demonstration, gone without a trace afterwards.
///
/// ```swift
/// try await EphemeralPostgres.withServer { server in
///     let rows = try await server.query("SELECT 1")
///     print(server.connectionString(), rows)
/// }
/// ```
///
/// The server has a temporary folder of its own, listens on a Unix socket in it, and knows a superuser `postgres` and
/// the databases `postgres`, `template0` and `template1`. Several servers at once are fine. The first one of a process
/// takes about a second to start, as `initdb` has to run; the others are copies.
///
/// Durability against a crash *of the machine* is off (`fsync`, `full_page_writes`), so is autovacuum; against a crash of
/// the server commits are as safe as ever. ``Options/settings`` win over that.
///
/// **Lifetime.** ``remove()`` stops the server and deletes its folder. So does letting go of the last reference, in the
/// background, and so does the end of this process, however it ends: a guardian process, which outlives even a SIGKILL
/// of ours, cleans up within a second.
///
/// As root, as which PostgreSQL refuses to run, the server runs as `postgres` or, if there is no such account, `nobody`.
public final class EphemeralPostgres: Sendable {
    /// The folder that holds the Unix socket: the `host` of a connection string.
    public let socketDirectory: String
    /// The port: part of the Unix socket's name, and the TCP port where the server listens on one. It stays the same
    /// when the server is started again.
    public let port: Int
    /// The data directory.
    public let dataDirectory: String
    /// The server's version, as it says it itself: `15.18`, `18beta1`.
    public let serverVersion: String
    /// The folder of the server's programs.
    public let binaryDirectory: String

    let process: ServerProcess
    let psql: String?
    let password: Secret?

    private init(process: ServerProcess, port: Int, binaries: PostgresBinaries, password: Secret?) {
        self.process = process
        self.port = port
        self.password = password
        socketDirectory = process.folder.path
        dataDirectory = process.folder.dataDirectory
        serverVersion = binaries.version
        binaryDirectory = binaries.directory
        psql = binaries.psql
    }

    deinit {
        let process = self.process
        Task.detached { await process.remove() }
    }

    /// Starts a server and waits until it answers.
    ///
    /// Prefer ``withServer(_:_:)``, which removes it for you.
    ///
    /// - Parameter options: How the server is set up.
    /// - Returns: The running server.
    /// - Throws: An ``EphemeralPostgresError`` when the server's programs can't be found or run, an option is refused,
    ///   or the server does not start; `CancellationError` when the task is cancelled. Nothing stays behind then.
    public static func start(_ options: Options = Options()) async throws -> EphemeralPostgres {
        let account = try ServerAccount.current()
        let binaries = try await PostgresBinaries.locate(directory: options.binaryDirectory, account: account)
        let password = options.password.map(Secret.init)
        let folder = try GuardedFolder(account: account)
        do {
            let configuration = try ServerConfiguration(
                socketDirectory: folder.path,
                listensOnTCP: options.listensOnTCP,
                needsPassword: options.password != nil,
                settings: options.settings
            )
            if options.hasOwnSystemIdentifier {
                try await TemplateCluster.initialise(folder, binaries: binaries, account: account)
            } else {
                try await TemplateCluster.shared.copy(into: folder, binaries: binaries, account: account)
            }
            try configuration.install(in: folder.dataDirectory)
            let process = ServerProcess(
                folder: folder,
                log: ServerLog(path: "\(folder.path)/server.log", secret: password),
                binaries: binaries,
                account: account,
                configuration: configuration
            )
            try await process.start()
            let server = EphemeralPostgres(
                process: process,
                port: await process.port,
                binaries: binaries,
                password: password
            )
            try await server.setPassword()
            return server
        } catch {
            await folder.remove()
            throw error
        }
    }

    /// Runs a body with a server of its own, and removes the server when the body returns or throws.
    ///
    /// The body runs where the caller does, so it may use what belongs to the caller's actor.
    ///
    /// - Parameters:
    ///   - options: How the server is set up.
    ///   - body: What to do with the server. Cancelling the task does not remove the server before the body has ended.
    /// - Returns: What the body returns.
    /// - Throws: What the body throws, or what ``start(_:)`` does.
    public nonisolated(nonsending) static func withServer<Result>(
        _ options: Options = Options(),
        _ body: nonisolated(nonsending) (EphemeralPostgres) async throws -> Result
    ) async throws -> Result {
        let server = try await start(options)
        do {
            let result = try await body(server)
            await server.remove()
            return result
        } catch {
            await server.remove()
            throw error
        }
    }

    /// The server's log from the first start on.
    ///
    /// - Returns: The text, the password masked.
    /// - Throws: An ``EphemeralPostgresError`` once the server has been removed.
    public func serverLog() throws -> String {
        try process.log.text()
    }
}
