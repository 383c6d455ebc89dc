import CLibPQ

/// Limits the waits of an attempt to connect, by a deadline and until the attempt is abandoned.
struct ConnectDeadline: Sendable {
    static let isOver = ConnectionFailure(.unreachable, "The server did not answer in time.")

    let deadline: ContinuousClock.Instant
    /// The time from the initializer to the deadline.
    let limit: Duration
    let attempt: ConnectAttempt

    init(deadline: ContinuousClock.Instant, attempt: ConnectAttempt) {
        self.deadline = deadline
        self.attempt = attempt
        limit = ContinuousClock.now.duration(to: deadline)
    }

    var remaining: Duration { ContinuousClock.now.duration(to: deadline) }

    /// Waits until the socket is ready, in slices, so that an abandoned attempt ends soon.
    ///
    /// - Parameter end: An earlier end than the deadline.
    func wait(
        for socket: Int32,
        toWrite: Bool = false,
        until end: ContinuousClock.Instant? = nil
    ) throws(ConnectionFailure) {
        let end = end.map { min($0, deadline) } ?? deadline
        var descriptor = pollfd(fd: socket, events: Int16(toWrite ? POLLOUT : POLLIN), revents: 0)
        while true {
            guard !attempt.isAbandoned else { throw ConnectionFailure.abandoned }
            let remaining = ContinuousClock.now.duration(to: end)
            guard remaining > .zero else { throw Self.isOver }
            if poll(&descriptor, 1, min(remaining, .milliseconds(100)).whole(.milliseconds(1))) > 0 { return }
        }
    }
}
