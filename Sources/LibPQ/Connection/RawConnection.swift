import CLibPQ

/// Owns a `PGconn`. Made on a thread of its own, then passed to a ``Connection`` once.
///
/// Unchecked, because one thread at a time may use a `PGconn`: at first that of the connector, later those that run the event loop. The
/// pointer never leaves this module.
package final class RawConnection: @unchecked Sendable {
    let pointer: OpaquePointer
    let notices: NoticeReceiver
    package var session = Session()
    private var isFinished = false

    /// The server's session.
    package struct Session: Hashable, Sendable {
        /// From `pg_backend_pid()`, since a pooler makes up the process id of the protocol.
        package var processID: Int32 = 0
        /// In microseconds since 2000. Together with the process id it identifies the session.
        package var backendStart: Int64 = 0
        package var serverVersion: Int32 = 0
        package var database = ""
        package var host = ""
        package var port = 0
        /// How many locks the server's lock table has room for, at least; `nil` if it does not say.
        package var lockTableSize: Int?
        /// The server's timeline, which each promotion of a standby increases; `nil` if it does not say.
        package var timeline: UInt32?
        /// The names of its host in ``HostMemory``.
        package var hostNames: [String] = []
        /// Whether a pooler gives sessions to its next client without a reset. Found out once for all connections.
        package var isPassedOn = false
        /// The role's settings, which statements of bodies run with, and the manager's own do not.
        package var roleSettings: [String] = []
        /// What the client has said as it connected and `DISCARD ALL` takes away, because a pooler has set it in a session of its own.
        package var clientSettings: [String: String] = [:]

        package init() {}
    }

    init(adopting pointer: OpaquePointer, notices: NoticeReceiver) {
        self.pointer = pointer
        self.notices = notices
        notices.attach(to: pointer)
    }

    var isEncrypted: Bool { PQsslInUse(pointer) != 0 || PQgssEncInUse(pointer) != 0 }

    /// Ends the session. The connection must not be used any more.
    func finish() {
        guard !isFinished else { return }
        isFinished = true
        PQfinish(pointer)
    }

    /// Ends the session, and waits for a while until the server's process has ended, which counts for the limits of connections until then.
    /// Blocks.
    func finishAndWait() {
        guard !isFinished else { return }
        let limit = SessionEnd.limit(PQtransactionStatus(pointer) == PQTRANS_IDLE ? .idle : .silent)
        let socket = DuplicateSocket(of: PQsocket(pointer))
        finish()
        guard let socket else { return }
        let deadline = ContinuousClock.now + limit
        var descriptor = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
        while !socket.isAtEnd(), case let remaining = ContinuousClock.now.duration(to: deadline), remaining > .zero {
            poll(&descriptor, 1, remaining.whole(.milliseconds(1)))
        }
    }

    deinit {
        finish()
    }
}
