import LibPQ
import LockCore
import PostgresLock

/// What a number of connections to the same address have led to, while the first one held locks.
///
/// One pair of connections proves little where an address leads to several servers: both may lead to the same one by chance.
struct ConnectionSurvey {
    /// A server, told from others by the time of its start, which each role may read.
    struct Server {
        let started: String
        /// The system identifier, which copies of a server share; `nil` if the role may not read it.
        let system: String?
        /// Where the server says that it was connected to; `nil` on a Unix socket.
        let address: String?
        let isStandby: Bool
        var connections = 1
    }

    /// For servers that are far away.
    private static let limit = Duration.seconds(3)
    /// How many connections are made, with the first one.
    private static let most = 12
    /// How many of them are open at a time. A pooler that gives out first what came back last would give the same session to each otherwise.
    static let atOnce = 4

    private(set) var servers: [Server] = []
    /// How many connections have got a lock that the first one held, of ``contenders``.
    private(set) var doubleGrants = 0
    private(set) var contenders = 0
    /// Whether all locks were granted when they were free.
    private(set) var isGranted = true
    /// Whether `pg_locks` shows the locks, to the connection that holds them, and to the others; `nil` if the role may not read it, or the server
    /// is a standby.
    private(set) var showsOwn: Bool?
    private(set) var showsOthers: Bool?

    /// Of both signs and of both key spaces: a proxy may route a statement by what it contains.
    let keys = [
        AdvisoryKey(.random(in: 1 ... .max)), AdvisoryKey(.random(in: .min ... -1)),
        AdvisoryKey(.random(in: 1 ... .max), .random(in: 1 ... .max)),
    ]

    /// Makes the survey.
    init(_ first: ServerUnderTest) throws(ConnectionFailure) {
        let end = ContinuousClock.now + Self.limit
        let holder = try note(first.session)
        isGranted = try call("try_advisory_lock", first.session) == keys.count
        if let holder { showsOwn = try shows(holder, to: first.session) }
        var others: [ServerUnderTest] = []
        for _ in 1..<Self.most where ContinuousClock.now < end {
            if others.count == Self.atOnce - 1 { others.removeFirst().session.finishAndWait() }
            // The role, the server or a pooler may have no connection left.
            guard let other = try? first.another(), try other.isAnswered(within: .seconds(1)) else { break }
            others.append(other)
            // The library refuses a standby, so its locks are not tried.
            guard try note(other.session) != nil else { continue }
            try RoutingCheck.run(other.session)
            try contend(other.session, with: holder)
        }
        if try call("advisory_unlock", first.session) < keys.count { isGranted = false }
        guard isGranted, doubleGrants == 0, let last = others.last, servers.count == 1 else { return }
        isGranted = try call("try_advisory_lock", last.session) == keys.count
        _ = try call("advisory_unlock", last.session)
    }

    var connections: Int { servers.reduce(0) { $0 + $1.connections } }

    private mutating func contend(_ session: BlockingSession, with holder: String?) throws(ConnectionFailure) {
        contenders += 1
        if let holder, let isShown = try shows(holder, to: session) { showsOthers = (showsOthers ?? true) && isShown }
        guard try call("try_advisory_lock", session) > 0 else { return }
        doubleGrants += 1
        // Its session may stay open in a pooler.
        _ = try session.ask("SELECT pg_catalog.pg_advisory_unlock_all()")
    }

    /// Notes the server that a connection leads to.
    ///
    /// - Returns: The connection's process there; `nil` if the server is a standby.
    private mutating func note(_ session: BlockingSession) throws(ConnectionFailure) -> String? {
        let result = try session.ask(
            """
            SELECT \(ServerIdentity.startedSQL), pg_catalog.pg_is_in_recovery(), pg_catalog.pg_backend_pid(),
                pg_catalog.host(pg_catalog.inet_server_addr()), pg_catalog.inet_server_port()
            """
        )
        let values = (0..<5).map { result.text(row: 0, column: $0) }
        let isStandby = values[1] == "t"
        if let index = servers.firstIndex(where: { $0.started == values[0] }) {
            servers[index].connections += 1
        } else {
            let address = values[3].map { "\($0):\(values[4] ?? "")" }
            let system = try ServerIdentity(of: session).system
            servers.append(Server(started: values[0] ?? "", system: system, address: address, isStandby: isStandby))
        }
        return isStandby ? nil : values[2]
    }

    /// - Returns: For how many of the keys the function has returned true.
    private func call(_ function: String, _ session: BlockingSession) throws(ConnectionFailure) -> Int {
        let calls = keys.map { key in
            let arguments = key.space == .int8 ? "\(key.bits)" : "\(key.pair.first), \(key.pair.second)"
            return "pg_catalog.pg_\(function)(\(arguments))"
        }
        let result = try session.ask("SELECT " + calls.joined(separator: ", "))
        return keys.indices.count { result.text(row: 0, column: $0) == "t" }
    }

    /// Whether `pg_locks` shows the locks as those of the process.
    private func shows(_ process: String, to session: BlockingSession) throws(ConnectionFailure) -> Bool? {
        let rows = keys.map { "(\($0.shown.high)::int8, \($0.shown.low)::int8, \($0.shown.space)::int4)" }
        do throws(ConnectionFailure) {
            let result = try session.ask(
                """
                \(LockLook.setting); SELECT count(*) FROM pg_locks
                WHERE locktype = 'advisory' AND granted AND pid = \(process)
                    AND (classid::int8, objid::int8, objsubid::int4) IN (\(rows.joined(separator: ", ")))
                """
            )
            return result.text(row: 0, column: 0) == "\(keys.count)"
        } catch {
            guard error.kind == .refused else { throw error }
            return nil
        }
    }
}
