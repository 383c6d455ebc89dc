import Foundation

extension EphemeralPostgres {
    /// How a server is stopped. The names are PostgreSQL's.
    public struct StopMode: Hashable, Sendable {
        let signal: Int32
        /// How long stopping may take; nil for no limit.
        let timeout: Duration?

        /// Refuses new connections and waits without limit until all clients have disconnected.
        public static let smart = StopMode(signal: SIGTERM, timeout: nil)
        /// Ends the clients' sessions, rolls back their transactions and shuts down. An error is thrown after 30 s.
        public static let fast = StopMode(signal: SIGINT, timeout: .seconds(30))
        /// Stops at once without a shutdown checkpoint, like a crash; by SIGKILL after 8 s. The next start runs crash recovery.
        public static let immediate = StopMode(signal: SIGQUIT, timeout: .seconds(8))
    }

    /// The process id of the server's main process, or nil if it isn't running.
    ///
    /// For tests that stop the process by SIGSTOP or kill it. After a kill ``resume()`` starts the server again.
    public var processIdentifier: Int32? {
        get async { await process.processIdentifier }
    }

    /// Stops the server and waits until it has ended. Its data is kept; ``resume()`` starts it again. Does nothing if it
    /// isn't running.
    ///
    /// - Parameter mode: How it is stopped.
    /// - Throws: An ``EphemeralPostgresError`` if a fast stop takes too long. `CancellationError` when the task is
    ///   cancelled; the server continues to stop then.
    public func stop(mode: StopMode = .fast) async throws {
        try await process.stop(mode)
    }

    /// Stops the server like a crash: at once, without a checkpoint, and without an orderly end of its clients' sessions. The
    /// same as stopping it with ``StopMode/immediate``.
    ///
    /// - Throws: `CancellationError` when the task is cancelled; the server continues to stop then.
    public func crash() async throws {
        try await process.stop(.immediate)
    }

    /// Starts the server again with its data, after a stop or a crash, and waits until it accepts connections.
    ///
    /// - Throws: An ``EphemeralPostgresError`` if it is running already, has been removed, or does not start;
    ///   `CancellationError` when the task is cancelled, with the server stopped.
    public func resume() async throws {
        try await process.start()
    }

    /// Stops the server in the mode ``StopMode/fast`` and starts it again, optionally with more settings.
    ///
    /// - Parameter settings: Settings to add. Existing settings of the same name are replaced.
    /// - Throws: The errors of ``stop(mode:)`` and ``resume()``. If a setting's name is invalid, the server is not stopped; if
    ///   the server refuses a setting, it stays stopped.
    public func restart(settings: [String: String] = [:]) async throws {
        try await process.restart(adding: settings)
    }

    /// Stops the server at once and deletes everything that belongs to it.
    ///
    /// Works in a cancelled task too. A second call does nothing.
    public func remove() async {
        await process.remove()
    }
}
