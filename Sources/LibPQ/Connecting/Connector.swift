import CLibPQ
import Dispatch
import Synchronization

/// Makes connections, on threads of its own.
///
/// Nothing of this may happen on the event loop: name lookup blocks, and so does the password exchange, whose cost the
/// server chooses.
package final class Connector: Sendable {
    private let queue = DispatchQueue(label: "pglock.connect", attributes: .concurrent)
    private let oldestServer: Int32
    private let settings: SessionSettings

    /// - Parameters:
    ///   - oldestServer: The lowest version that is accepted, in the form of `server_version_num`.
    ///   - settings: What every session gets.
    package init(oldestServer: Int32, settings: SessionSettings = SessionSettings()) {
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

    /// Connects and prepares the session, within the time limit.
    ///
    /// - Parameter completion: Called once, on some thread.
    package func connect(
        _ parameters: ConnectionParameters,
        within limit: Duration,
        attempt: Attempt,
        onNotice: @escaping @Sendable (ServerError) -> Void,
        completion: @escaping @Sendable (Result<RawConnection, ConnectionFailure>) -> Void
    ) {
        queue.async { [oldestServer, settings] in
            let work = ConnectionAttempt(
                parameters: parameters,
                deadline: .now + limit,
                flag: attempt,
                oldestServer: oldestServer,
                settings: settings,
                onNotice: onNotice
            )
            completion(Result { () throws(ConnectionFailure) in try work.run() })
        }
    }

    /// Runs something that blocks, off the loop.
    package func run(_ body: @escaping @Sendable () -> Void) {
        queue.async(execute: body)
    }
}
