import CLibPQ

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// One attempt to connect, run to its end on a thread that may block.
struct ConnectionAttempt {
    let parameters: ConnectionParameters
    let deadline: ContinuousClock.Instant
    let flag: Connector.Attempt
    let oldestServer: Int32
    let settings: SessionSettings
    let onNotice: @Sendable (ServerError) -> Void

    func run() throws(ConnectionFailure) -> RawConnection {
        try parameters.validate()
        let raw = try connectToSomeHost()
        // Whether the ground is fit for locks has to be proved here, before anything is set: settings leak to other
        // clients of a pooler.
        try SessionSetup(raw: raw, oldestServer: oldestServer, settings: settings, wait: wait).run()
        return raw
    }

    /// libpq goes on to the next host when one refuses, but a host that says nothing keeps it waiting: its
    /// `connect_timeout` holds for blocking calls only. So time is shared out, and the hosts behind are tried without it.
    private func connectToSomeHost() throws(ConnectionFailure) -> RawConnection {
        let hosts = max(1, parameters.hosts.count)
        for first in 0..<hosts {
            let isLast = first == hosts - 1
            let remaining = ContinuousClock.now.duration(to: deadline)
            let share = isLast ? deadline : ContinuousClock.now + remaining / (hosts - first)
            do throws(ConnectionFailure) {
                return try connect(hostsFrom: first, until: share)
            } catch {
                guard !isLast, error == Self.timedOut else { throw error }
            }
        }
        throw Self.timedOut
    }

    private static let timedOut = ConnectionFailure(.unreachable, "The server did not answer in time.")

    private func connect(hostsFrom first: Int, until limit: ContinuousClock.Instant) throws(ConnectionFailure) -> RawConnection {
        let keywords = parameters.keywords(hostsFrom: first)
        guard let pointer = CStringArray.with(keywords.map(\.keyword), keywords.map(\.value), { PQconnectStartParams($0, $1, 1) })
        else { throw ConnectionFailure(.unreachable, "libpq could not allocate memory.") }
        let raw = RawConnection(adopting: pointer, notices: NoticeReceiver(onNotice))
        // Only this verbosity carries the SQLSTATE, which unlike the text does not depend on the server's language.
        PQsetErrorVerbosity(pointer, PQERRORS_VERBOSE)
        var status = PQstatus(pointer) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING
        while status != PGRES_POLLING_OK {
            guard status != PGRES_POLLING_FAILED else {
                throw ConnectionFailure(connecting: String(cString: PQerrorMessage(pointer)))
            }
            try wait(PQsocket(pointer), status == PGRES_POLLING_WRITING, limit)
            status = PQconnectPoll(pointer)
        }
        PQsetErrorVerbosity(pointer, PQERRORS_DEFAULT)
        return raw
    }

    /// Waits until the socket is ready, in slices, so that an abandoned attempt ends soon.
    private func wait(
        _ socket: Int32,
        _ forWriting: Bool,
        _ limit: ContinuousClock.Instant
    ) throws(ConnectionFailure) {
        var descriptor = pollfd(fd: socket, events: Int16(forWriting ? POLLOUT : POLLIN), revents: 0)
        while true {
            guard !flag.isAbandoned else { throw ConnectionFailure(.abandoned, "The attempt was given up.") }
            let remaining = ContinuousClock.now.duration(to: limit)
            guard remaining > .zero else { throw Self.timedOut }
            let slice = min(remaining / .milliseconds(1), 100).rounded(.up)
            if poll(&descriptor, 1, Int32(slice)) > 0 { return }
        }
    }

    private func wait(_ socket: Int32, _ forWriting: Bool) throws(ConnectionFailure) {
        try wait(socket, forWriting, deadline)
    }
}

/// Lends Swift strings to C as two parallel, null-terminated arrays.
enum CStringArray {
    static func with<Result>(
        _ first: [String],
        _ second: [String],
        _ body: (UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<UnsafePointer<CChar>?>) -> Result
    ) -> Result {
        let copies = (first + second).map { strdup($0) }
        defer {
            for copy in copies { free(copy) }
        }
        let left = copies.prefix(first.count).map { UnsafePointer<CChar>($0) } + [nil]
        let right = copies.dropFirst(first.count).map { UnsafePointer<CChar>($0) } + [nil]
        return left.withUnsafeBufferPointer { left in
            right.withUnsafeBufferPointer { right in
                // Both end with a null pointer, so neither is empty and both have a base address.
                body(left.baseAddress.unsafelyUnwrapped, right.baseAddress.unsafelyUnwrapped)
            }
        }
    }
}
