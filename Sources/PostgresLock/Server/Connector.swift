import Dispatch
package import LibPQ

/// Opens connections, each on a thread of its own.
///
/// It can't be done on the event loop: name lookup blocks, and so does the password exchange, whose cost the server chooses.
package final class Connector: Sendable {
    private let serverChecks: ServerChecks
    private let turn: CheckingTurn
    private let lookup: HostLookup
    private let memory = HostMemory()
    /// Abandoned attempts whose threads are stuck.
    private let overdue = Locked(OverdueCalls())
    /// The same of surveys, which are counted apart, since they begin whether calls need a connection or not.
    private let overdueSurveys = Locked(OverdueCalls())
    private let oldestServer: Int32
    private let settings: SessionSettings?

    /// - Parameters:
    ///   - oldestServer: The lowest version that is accepted, in the form of `server_version_num`.
    ///   - settings: The settings of every session; `nil` if sessions may belong to a pooler, and get none.
    ///   - forgetAfter: See ``ServerChecks/noteExhausted(_:)``.
    ///   - lookup: Finds the addresses of a name; `nil` for the system's way.
    package init(
        oldestServer: Int32,
        settings: SessionSettings? = SessionSettings(),
        forgetAfter: Duration = .seconds(30),
        lookup: (@Sendable (String) throws(ConnectionFailure) -> [String])? = nil
    ) {
        self.lookup = lookup.map { HostLookup($0) } ?? HostLookup()
        self.oldestServer = oldestServer
        self.settings = settings
        serverChecks = ServerChecks(forgetAfter: forgetAfter)
        turn = CheckingTurn(serverChecks)
    }

    /// Connects, checks that the server is fit for locks, and prepares the session.
    ///
    /// The server is checked once: later connections only have to lead to the same server.
    ///
    /// - Parameters:
    ///   - limit: For names and hosts, from the time when the attempt is not held up any more by others that check the server. To check a server
    ///     for the first time may take three times as long, in addition.
    ///   - completion: Called once, on some thread, unless the attempt is stuck in a system call that does not return.
    package func connect(
        _ parameters: ConnectionParameters,
        within limit: Duration,
        attempt: ConnectAttempt,
        onNotice: @escaping @Sendable (ServerError) -> Void,
        completion: @escaping @Sendable (Result<PreparedSession, ConnectionFailure>) -> Void
    ) {
        guard !attempt.isAbandoned else { return completion(.failure(.abandoned)) }
        let search = HostSearch(
            parameters: parameters,
            limit: limit,
            attempt: attempt,
            lookup: lookup,
            memory: memory,
            onNotice: onNotice,
            onExhausted: serverChecks.noteExhausted
        )
        let work = ConnectionAttempt(search: search, oldestServer: oldestServer, settings: settings, serverChecks: serverChecks)
        let finish: @Sendable (Result<PreparedSession, ConnectionFailure>) -> Void = { [turn] result in
            turn.end(attempt)
            completion(result)
        }
        turn.begin(attempt) { [overdue] in
            let refusal = Self.run(attempt, in: overdue, { Result { () throws(ConnectionFailure) in try work.run() } }, completion: finish)
            if let refusal { finish(.failure(refusal)) }
        }
    }

    /// Ends the attempt soon, with a failure of the kind `abandoned`. Other attempts do not wait for it any more.
    package func abandon(_ attempt: ConnectAttempt) {
        attempt.abandon()
        turn.end(attempt)
    }

    /// The session's host does not answer: for a while other hosts are tried before it.
    package func noteSilence(_ session: RawConnection.Session) {
        for name in session.hostNames { memory.noteFailure(of: name) }
    }

    /// A fencing token with this position was given out: a server whose log ends before it is not the same server.
    package func note(timeline: UInt32, location: UInt64) {
        serverChecks.note(timeline: timeline, location: location)
    }

    /// Asks all hosts for their timelines, if there are several.
    ///
    /// After a primary with a higher timeline was found, servers with lower ones are refused.
    ///
    /// - Parameters:
    ///   - limit: For all hosts together.
    ///   - attempt: Abandoning it ends the survey.
    ///   - completion: Called once, on some thread, with the highest timeline of a primary of the known cluster; unless the survey is stuck in a
    ///     system call that does not return.
    package func survey(
        _ parameters: ConnectionParameters,
        within limit: Duration,
        attempt: ConnectAttempt = ConnectAttempt(),
        completion: @escaping @Sendable (UInt32?) -> Void
    ) {
        guard !attempt.isAbandoned else { return completion(nil) }
        let work = { @Sendable [serverChecks, lookup] () -> UInt32? in
            guard let hosts = parameters.hostList(), hosts.entries.count > 1 || hosts.entries.contains(where: \.isName) else { return nil }
            var highest: UInt32?
            // With a memory of its own, because hosts that are standbys are not to be noted as failed.
            let search = HostSearch(parameters: parameters, limit: limit, attempt: attempt, lookup: lookup)
            _ = try? search.run { (session) throws(ConnectionFailure) -> Never in
                guard try session.ask("SELECT pg_catalog.pg_is_in_recovery()").text(row: 0, column: 0) == "f",
                    case let identity = try ServerIdentity(of: session, known: serverChecks.known), serverChecks.noteSeen(identity)
                else { throw .onlyAsked }
                highest = [highest, identity.timeline].compactMap(\.self).max()
                throw .onlyAsked
            }
            return highest
        }
        if Self.run(attempt, in: overdueSurveys, work, completion: completion) != nil { completion(nil) }
    }

    /// Runs `work` on a thread of its own, where it may be stuck after the attempt was given up.
    ///
    /// - Parameters:
    ///   - calls: Counts the threads that are stuck.
    ///   - completion: Gets the result, on that thread.
    /// - Returns: Why it is not run, if it is not.
    private static func run<Value: Sendable>(
        _ attempt: ConnectAttempt,
        in calls: Locked<OverdueCalls>,
        _ work: @escaping @Sendable () -> Value,
        completion: @escaping @Sendable (Value) -> Void
    ) -> ConnectionFailure? {
        guard let call = calls.withLock({ $0.begin() }) else { return .overdue }
        attempt.whenAbandoned { calls.withLock { _ = $0.giveUp(call) } }
        let isRunning = OwnThread.run {
            let value = work()
            calls.withLock { $0.noteReturned(call) }
            completion(value)
        }
        guard !isRunning else { return nil }
        calls.withLock { $0.noteReturned(call) }
        return ConnectionFailure(.unreachable, "The system has no thread left to connect on.")
    }

    /// Runs something that may block, on another thread.
    package func run(_ body: @escaping @Sendable () -> Void) {
        // If the system has no thread left, Dispatch may have a free one.
        if !OwnThread.run(body) { DispatchQueue.global().async(execute: body) }
    }
}

extension ConnectionFailure {
    fileprivate static let onlyAsked = ConnectionFailure(.standby, "The server was only asked.")
    fileprivate static let overdue = ConnectionFailure(
        .unreachable,
        "Earlier attempts are stuck in system calls (a name lookup, or a file that the connection needs), so no further one was begun."
    )
}
