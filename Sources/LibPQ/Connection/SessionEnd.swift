/// The end of a session at the server, which comes a little after the client has closed it.
///
/// A server process first leaves the list of sessions, which counts for the limits of connections, and closes its socket last. So when the
/// socket has nothing more to read, the session does not count any more. libpq closes its descriptor, so a duplicate is read.
package final class SessionEnd {
    /// What is known of the server's process when its session is closed.
    enum Occasion {
        /// It waits for a statement, or has closed the session itself. It notices at once, but on a busy machine it may take seconds to drop temporary
        /// tables and to exit.
        case idle
        /// It runs a statement. It looks every two seconds whether its client has gone, by the setting `client_connection_check_interval` of the
        /// session. A server that does not have the setting does not notice.
        case running
        /// An answer is overdue. Mostly nothing comes of such a session any more, and what replaces it should not wait for long.
        case silent
    }

    /// The limit of the wait.
    static func limit(_ occasion: Occasion) -> Duration {
        switch occasion {
        case .idle: .seconds(5)
        case .running: .seconds(3)
        case .silent: .seconds(1)
        }
    }

    /// Called with whether the session has ended. If not, the limit has passed.
    package typealias Handler = @Sendable (_ hasEnded: Bool) -> Void

    /// `nil` as long as it is waited for.
    private var outcome: Bool?
    private var handlers: [Handler] = []

    /// - Parameter handler: Called on the loop when the session has ended, or the limit has passed.
    func whenOver(on loop: EventLoop, _ handler: @escaping Handler) {
        if let outcome { loop.submit { handler(outcome) } } else { handlers.append(handler) }
    }

    func noteOver(hasEnded: Bool) {
        outcome = hasEnded
        for handler in handlers { handler(hasEnded) }
        handlers = []
    }
}
