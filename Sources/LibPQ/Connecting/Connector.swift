import CLibPQ
import Dispatch
import Synchronization

/// Makes connections, on threads of its own.
///
/// Nothing of this may happen on the event loop: name lookup blocks, and so does the password exchange, whose cost the
/// server chooses.
package final class Connector: Sendable {
    private let queue = DispatchQueue(label: "pglock.connect", attributes: .concurrent)
    /// For attempts that need a second connection: one at a time, so that there are never more than two in all.
    private let provingQueue = DispatchQueue(label: "pglock.prove")
    private let ground = Ground()
    private let oldestServer: Int32
    private let settings: SessionSettings?

    /// - Parameters:
    ///   - oldestServer: The lowest version that is accepted, in the form of `server_version_num`.
    ///   - settings: What every session gets; `nil` if sessions may be a pooler's, and are to be left as they are.
    package init(oldestServer: Int32, settings: SessionSettings? = SessionSettings()) {
        self.oldestServer = oldestServer
        self.settings = settings
    }

    /// One attempt to connect, which can be given up.
    package final class Attempt: Sendable {
        private let abandoned = Atomic(false)

        package init() {}

        /// Ends the attempt soon; its outcome is a failure of the kind `abandoned`.
        package func abandon() {
            abandoned.store(true, ordering: .relaxed)
        }

        var isAbandoned: Bool { abandoned.load(ordering: .relaxed) }
    }

    /// Connects, makes sure that the server is fit for locks, and prepares the session, within the time limit.
    ///
    /// The first success is remembered: from then on connections only have to lead to the same server.
    ///
    /// - Parameter completion: Called once, on some thread.
    package func connect(
        _ parameters: ConnectionParameters,
        within limit: Duration,
        attempt: Attempt,
        onNotice: @escaping @Sendable (ServerError) -> Void,
        completion: @escaping @Sendable (Result<RawConnection, ConnectionFailure>) -> Void
    ) {
        let work = ConnectionAttempt(
            parameters: parameters,
            patience: Patience(deadline: .now + limit, attempt: attempt),
            oldestServer: oldestServer,
            settings: settings,
            ground: ground,
            onNotice: onNotice,
            provingLimit: limit * 3
        )
        let run: @Sendable () -> Void = { completion(Result { () throws(ConnectionFailure) in try work.run() }) }
        guard !ground.isProved else { return queue.async(execute: run) }
        provingQueue.async { [queue, ground] in
            if ground.isProved { queue.async(execute: run) } else { run() }
        }
    }

    /// Runs something that blocks, off the loop.
    package func run(_ body: @escaping @Sendable () -> Void) {
        queue.async(execute: body)
    }
}
