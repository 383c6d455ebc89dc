import Foundation

extension EphemeralPostgres {
    /// How a server is stopped. The names are PostgreSQL's.
    public struct StopMode: Hashable, Sendable {
        let signal: Int32
        /// How long stopping may take, nil for ever.
        let timeout: Duration?

        /// Refuses new connections and waits for the clients to leave by themselves, however long that takes.
        public static let smart = StopMode(signal: SIGTERM, timeout: nil)
        /// Ends the clients' sessions, rolls their transactions back and stops in good order; given up after 30 s.
        public static let fast = StopMode(signal: SIGINT, timeout: .seconds(30))
        /// Stops at once and without tidying up, like a crash, after 8 s by SIGKILL; the next start runs the crash recovery.
        public static let immediate = StopMode(signal: SIGQUIT, timeout: .seconds(8))
    }

    /// The process id of the server's main process, or nil if it isn't running.
    ///
    /// For tests that freeze or kill it. The server may be killed by others; it is ``resume()`` that starts it again.
    public var processIdentifier: Int32? {
        get async { await process.processIdentifier }
    }

    /// Stops the server and waits until it has ended. Its data stays; ``resume()`` starts it again. Does nothing if it
    /// isn't running.
    ///
    /// - Parameter mode: How it is stopped.
    /// - Throws: An ``EphemeralPostgresError`` if a fast stop takes too long. `CancellationError` when the task is
    ///   cancelled; the server then goes on stopping.
    public func stop(mode: StopMode = .fast) async throws {
        try await process.stop(mode)
    }

    /// Stops the server as a crash would: at once, without a checkpoint, without a word to the clients that they could
    /// rely on. The same as stopping it with ``StopMode/immediate``.
    ///
    /// - Throws: `CancellationError` when the task is cancelled; the server then goes on stopping.
    public func crash() async throws {
        try await process.stop(.immediate)
    }

    /// Starts the server again, on the data that it had, after a stop or a crash, and waits until it answers.
    ///
    /// - Throws: An ``EphemeralPostgresError`` if it is running already, has been removed, or does not start;
    ///   `CancellationError` when the task is cancelled, with the server stopped.
    public func resume() async throws {
        try await process.start()
    }

    /// Stops the server (in the mode ``StopMode/fast``) and starts it again, if you like with other settings.
    ///
    /// - Parameter settings: Settings to add to those that the server has. Those of the same name are replaced.
    /// - Throws: What ``stop(mode:)`` and ``resume()`` throw. Settings that can't be understood stop nothing; if the
    ///   server refuses them, it stays stopped.
    public func restart(settings: [String: String] = [:]) async throws {
        try await process.restart(adding: settings)
    }

    /// Stops the server at once and deletes everything that belongs to it.
    ///
    /// Works in a cancelled task too. Doing it twice is harmless.
    public func remove() async {
        await process.remove()
    }
}
