/// A temporary PostgreSQL server for a test or a demonstration, removed afterwards with all its files.
///
/// ```swift
/// try await EphemeralPostgres.withServer { server in
///     let rows = try await server.query("SELECT 1")
///     print(server.connectionString(), rows)
/// }
/// ```
///
/// The server has a temporary folder of its own and listens on a Unix socket in it. It has a superuser `postgres` and
/// the databases `postgres`, `template0` and `template1`. Several servers can run at the same time. The first server of a process
/// takes about a second to start, because `initdb` has to run; later servers are copies of it.
///
/// `fsync` and `full_page_writes` are off, so committed data can be lost when the *machine* crashes, but not when the server does.
/// Autovacuum is off too. ``Options/settings`` override these defaults.
///
/// **Lifetime.** ``remove()`` stops the server and deletes its folder. Releasing the last reference does the same in the
/// background. When this process ends in any way, including SIGKILL, a cleanup process stops the server and deletes the folder
/// within a second.
///
/// PostgreSQL refuses to run as root. If this process is root, the server runs as the account `postgres` or, if that does not
/// exist, as the account `nobody`.
public final class EphemeralPostgres: Sendable {
    /// The folder that holds the Unix socket: the `host` of a connection string.
    public let socketDirectory: String
    /// The port: part of the Unix socket's name, and the TCP port if the server listens on TCP. It stays the same
    /// when the server is started again.
    public let port: Int
    /// The data directory.
    public let dataDirectory: String
    /// The server's version as the server reports it, for example `15.18` or `18beta1`.
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

    /// Starts a server and waits until it accepts connections.
    ///
    /// Prefer ``withServer(_:_:)``, which also removes the server.
    ///
    /// - Parameter options: The server's options.
    /// - Returns: The running server.
    /// - Throws: An ``EphemeralPostgresError`` when the server's programs can't be found or run, an option is refused,
    ///   or the server does not start; `CancellationError` when the task is cancelled. In these cases no process and no file
    ///   is left.
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

    /// Runs a body with a new server, and removes the server when the body returns or throws.
    ///
    /// The body runs on the caller's actor, so it can use the actor's state.
    ///
    /// - Parameters:
    ///   - options: The server's options.
    ///   - body: The code that uses the server. Cancelling the task does not remove the server before the body has ended.
    /// - Returns: The body's result.
    /// - Throws: The body's error, or the errors of ``start(_:)``.
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

    /// The server's log since its first start.
    ///
    /// - Returns: The text with the password masked.
    /// - Throws: An ``EphemeralPostgresError`` once the server has been removed.
    public func serverLog() throws -> String {
        try process.log.text()
    }
}
