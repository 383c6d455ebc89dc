import CLibPQ
import Synchronization

/// Makes connections, on threads of their own.
///
/// Nothing of this may happen on the event loop: name lookup blocks, and so does the password exchange, whose cost the
/// server chooses.
package final class Connector: Sendable {
    private let ground: Ground
    private let turn: ProvingTurn
    private let lookup: HostLookup
    private let memory = HostMemory()
    private let oldestServer: Int32
    private let settings: SessionSettings?

    /// - Parameters:
    ///   - oldestServer: The lowest version that is accepted, in the form of `server_version_num`.
    ///   - settings: What every session gets; `nil` if sessions may be a pooler's, and are to be left as they are.
    ///   - lookup: Finds the addresses of a name; `nil` for the system's way.
    package init(
        oldestServer: Int32,
        settings: SessionSettings? = SessionSettings(),
        lookup: (@Sendable (String) throws(ConnectionFailure) -> [String])? = nil
    ) {
        self.lookup = lookup.map { HostLookup($0) } ?? HostLookup()
        self.oldestServer = oldestServer
        self.settings = settings
        ground = Ground()
        turn = ProvingTurn(ground)
    }

    /// One attempt to connect, which can be given up.
    package final class Attempt: Sendable {
        /// A part of an attempt that has a time limit of its own.
        package enum Stage: Sendable {
            /// Names are looked up and hosts are connected to.
            case dialing
            /// The server is asked what it is, and the session is prepared.
            case checking
        }

        private let abandoned = Atomic(false)
        private let onStage: @Sendable (Stage, Duration) -> Void

        /// - Parameter onStage: Called on some thread when a stage begins, with the time that it may take.
        package init(onStage: @escaping @Sendable (Stage, Duration) -> Void = { _, _ in }) {
            self.onStage = onStage
        }

        fileprivate func abandon() {
            abandoned.store(true, ordering: .relaxed)
        }

        package var isAbandoned: Bool { abandoned.load(ordering: .relaxed) }

        func begin(_ stage: Stage, within limit: Duration) { onStage(stage, limit) }
    }

    /// Connects, makes sure that the server is fit for locks, and prepares the session.
    ///
    /// The first success is remembered: from then on connections only have to lead to the same server.
    ///
    /// - Parameters:
    ///   - limit: For names and hosts, counted from when the attempt has its turn. To check a server for the first time may
    ///     take three times as long after it.
    ///   - completion: Called once, on some thread, unless the attempt is stuck in a call of the system's that does not end.
    package func connect(
        _ parameters: ConnectionParameters,
        within limit: Duration,
        attempt: Attempt,
        onNotice: @escaping @Sendable (ServerError) -> Void,
        completion: @escaping @Sendable (Result<RawConnection, ConnectionFailure>) -> Void
    ) {
        guard !attempt.isAbandoned else { return completion(.failure(.abandoned)) }
        let work = ConnectionAttempt(
            parameters: parameters,
            limit: limit,
            attempt: attempt,
            oldestServer: oldestServer,
            settings: settings,
            ground: ground,
            lookup: lookup,
            memory: memory,
            onNotice: onNotice
        )
        let finish: @Sendable (Result<RawConnection, ConnectionFailure>) -> Void = { [turn] result in
            turn.end(attempt)
            completion(result)
        }
        turn.begin(attempt) {
            let isRunning = OwnThread.run { finish(Result { () throws(ConnectionFailure) in try work.run() }) }
            if !isRunning { finish(.failure(ConnectionFailure(.unreachable, "The system has no thread left to connect on."))) }
        }
    }

    /// Ends the attempt soon; its outcome is a failure of the kind `abandoned`. Others need not wait for it any more.
    package func abandon(_ attempt: Attempt) {
        attempt.abandon()
        turn.end(attempt)
    }

    /// Runs something that may block, off the loop.
    package func run(_ body: @escaping @Sendable () -> Void) {
        if !OwnThread.run(body) { body() }
    }
}

extension ConnectionFailure {
    static let abandoned = ConnectionFailure(.abandoned, "The attempt was given up.")
}
