import CLibPQ

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Owns a `PGconn`. Made on a thread of its own, then handed over, once, to a ``Connection``.
///
/// Unchecked, because a `PGconn` may be used by one thread at a time: until the hand-over that is the connector's, from
/// then on the event loop's. The pointer never leaves this module.
package final class RawConnection: @unchecked Sendable {
    let pointer: OpaquePointer
    let notices: NoticeReceiver
    package var session = Session()
    private var isFinished = false

    /// What is known of the server's side.
    package struct Session: Hashable, Sendable {
        /// From `pg_backend_pid()`: what the protocol announced is made up when a pooler is in between.
        package let processID: Int32
        /// In microseconds since 2000. Together with the process id it names one session for ever.
        package let backendStart: Int64
        package let serverVersion: Int32
        package let database: String
        package let user: String
        package let host: String
        /// For how many locks the server's lock table has room at least; `nil` if it does not say.
        package let lockTableSize: Int?
        /// After how many promotions of standbys the server is; `nil` if it does not say.
        package var timeline: UInt32?
        /// Under which names its host is known to ``HostMemory``.
        package var hostNames: [String] = []
        /// Whether there is a pooler that passes sessions on as they are: what was seen once holds for all connections.
        package var isPassedOn = false
        /// The settings that a call that has it checked out's statements are to run with, and ours are not.
        package var roleSettings: [String] = []

        package init(
            processID: Int32 = 0,
            backendStart: Int64 = 0,
            serverVersion: Int32 = 0,
            database: String = "",
            user: String = "",
            host: String = "",
            lockTableSize: Int? = nil
        ) {
            self.processID = processID
            self.backendStart = backendStart
            self.serverVersion = serverVersion
            self.database = database
            self.user = user
            self.host = host
            self.lockTableSize = lockTableSize
        }
    }

    init(adopting pointer: OpaquePointer, notices: NoticeReceiver) {
        self.pointer = pointer
        self.notices = notices
        notices.attach(to: pointer)
    }

    /// Ends the session. Nothing may be done with the connection any more.
    func finish() {
        guard !isFinished else { return }
        isFinished = true
        PQfinish(pointer)
    }

    /// Ends the session, and waits until the server's process has come to its end, but not for long: until then it counts for the
    /// limits of connections. Blocks.
    func finishAndWait() {
        guard !isFinished else { return }
        let limit = SessionEnd.limit(isAnswering: PQtransactionStatus(pointer) == PQTRANS_IDLE)
        let socket = DuplicateSocket(of: PQsocket(pointer))
        finish()
        guard let socket else { return }
        let deadline = ContinuousClock.now + limit
        var descriptor = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
        while !SessionEnd.isReached(socket), case let remaining = ContinuousClock.now.duration(to: deadline), remaining > .zero {
            poll(&descriptor, 1, remaining.whole(.milliseconds(1)))
        }
    }

    deinit {
        finish()
    }
}
