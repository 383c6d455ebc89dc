/// The end of a session at the server, which comes a little after the client has closed it.
///
/// A server process first leaves the list of sessions, which counts for the limits of connections, and closes its socket last. So when the
/// socket has nothing more to read, the session does not count any more. libpq closes its descriptor, so a duplicate is read.
package final class SessionEnd {
    /// The limit of the wait.
    ///
    /// A server process that runs a statement, or is stopped, does not notice that its client has gone. Any other one notices, but on a busy
    /// machine it may take seconds to drop temporary tables and to exit.
    ///
    /// - Parameter isAnswering: Whether the server owed nothing when the session was closed, or has closed it itself.
    static func limit(isAnswering: Bool) -> Duration { isAnswering ? .seconds(5) : .seconds(1) }

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
