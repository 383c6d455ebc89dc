import Dispatch
package import LibPQ

/// Makes connections, on threads of their own.
///
/// Nothing of this may happen on the event loop: name lookup blocks, and so does the password exchange, whose cost the
/// server chooses.
package final class Connector: Sendable {
    private let serverChecks: ServerChecks
    private let turn: CheckingTurn
    private let lookup: HostLookup
    private let memory = HostMemory()
    /// Attempts that were given up and whose threads are stuck.
    private let overdue = Locked(OverdueCalls())
    /// Surveys of the same kind. Apart, as they are begun whether calls need a connection or not.
    private let overdueSurveys = Locked(OverdueCalls())
    private let oldestServer: Int32
    private let settings: SessionSettings?

    /// - Parameters:
    ///   - oldestServer: The lowest version that is accepted, in the form of `server_version_num`.
    ///   - settings: What every session gets; `nil` if sessions may be a pooler's, and are to be left as they are.
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
        attempt: ConnectAttempt,
        onNotice: @escaping @Sendable (ServerError) -> Void,
        completion: @escaping @Sendable (Result<PreparedSession, ConnectionFailure>) -> Void
    ) {
        guard !attempt.isAbandoned else { return completion(.failure(.abandoned)) }
        let work = ConnectionAttempt(
            parameters: parameters,
            limit: limit,
            attempt: attempt,
            oldestServer: oldestServer,
            settings: settings,
            serverChecks: serverChecks,
            lookup: lookup,
            memory: memory,
            onNotice: onNotice
        )
        let finish: @Sendable (Result<PreparedSession, ConnectionFailure>) -> Void = { [turn] result in
            turn.end(attempt)
            completion(result)
        }
        turn.begin(attempt) { [overdue] in
            guard let call = ThreadCall(in: overdue) else { return finish(.failure(.overdue)) }
            attempt.whenAbandoned { call.giveUp() }
            let isRunning = OwnThread.run {
                let result = Result { () throws(ConnectionFailure) in try work.run() }
                call.noteReturned()
                finish(result)
            }
            guard !isRunning else { return }
            call.noteReturned()
            finish(.failure(ConnectionFailure(.unreachable, "The system has no thread left to connect on.")))
        }
    }

    /// Ends the attempt soon; its outcome is a failure of the kind `abandoned`. Others need not wait for it any more.
    package func abandon(_ attempt: ConnectAttempt) {
        attempt.abandon()
        turn.end(attempt)
    }

    /// The session's host does not answer: others are tried before it for a while.
    package func noteSilence(_ session: RawConnection.Session) {
        for name in session.hostNames { memory.noteFailure(of: name) }
    }

    /// A token was given out of this position in the server's log; a server that has not come as far is not the one.
    package func note(timeline: UInt32, location: UInt64) {
        serverChecks.note(timeline: timeline, location: location)
    }

    /// Asks all hosts for their timelines, where there are several.
    ///
    /// A primary with a higher one than was known before is remembered: others are refused from then on.
    ///
    /// - Parameters:
    ///   - limit: For all of them together.
    ///   - attempt: To give it up by.
    ///   - completion: Called once, on some thread, with the highest timeline of a primary of the known cluster; unless the survey is
    ///     stuck in a call of the system's that does not end.
    package func survey(
        _ parameters: ConnectionParameters,
        within limit: Duration,
        attempt: ConnectAttempt = ConnectAttempt(),
        completion: @escaping @Sendable (UInt32?) -> Void
    ) {
        guard !attempt.isAbandoned, let call = ThreadCall(in: overdueSurveys) else { return completion(nil) }
        attempt.whenAbandoned { call.giveUp() }
        let isRunning = OwnThread.run { [serverChecks, lookup] in
            let completion: (UInt32?) -> Void = { timeline in
                call.noteReturned()
                completion(timeline)
            }
            guard let hosts = parameters.hostList(), hosts.entries.count > 1 || hosts.entries.contains(where: \.isName) else {
                return completion(nil)
            }
            var highest: UInt32?
            // With a memory of its own: to be asked, a standby is as good as any.
            let search = HostSearch(
                parameters: parameters,
                limit: limit,
                attempt: attempt,
                lookup: lookup,
                memory: HostMemory(),
                onNotice: { _ in }
            )
            _ = try? search.run { (session) throws(ConnectionFailure) -> Never in
                guard try session.ask("SELECT pg_catalog.pg_is_in_recovery()").text(row: 0, column: 0) == "f",
                    case let identity = try ServerIdentity(of: session, known: serverChecks.known), serverChecks.noteSeen(identity)
                else { throw .onlyAsked }
                highest = [highest, identity.timeline].compactMap(\.self).max()
                throw .onlyAsked
            }
            completion(highest)
        }
        guard !isRunning else { return }
        call.noteReturned()
        completion(nil)
    }

    /// Runs something that may block, off the loop.
    package func run(_ body: @escaping @Sendable () -> Void) {
        // Where the system has no thread left, Dispatch may have one that is free.
        if !OwnThread.run(body) { DispatchQueue.global().async(execute: body) }
    }
}

/// What runs on a thread of its own, and may be stuck there after it was given up.
private struct ThreadCall: Sendable {
    private let calls: Locked<OverdueCalls>
    private let id: OverdueCalls.ID

    /// Returns `nil` if too many are stuck already.
    init?(in calls: Locked<OverdueCalls>) {
        guard let id = calls.withLock({ $0.begin() }) else { return nil }
        self.calls = calls
        self.id = id
    }

    func giveUp() { calls.withLock { _ = $0.giveUp(id) } }
    func noteReturned() { calls.withLock { $0.noteReturned(id) } }
}

extension ConnectionFailure {
    fileprivate static let onlyAsked = ConnectionFailure(.standby, "The server was only asked.")
    fileprivate static let overdue = ConnectionFailure(
        .unreachable,
        "Earlier attempts are stuck in calls of the system's (a name lookup, a file of the connection's), and no further one was begun."
    )
}
