package import LibPQ

/// Refuses poolers that give a connection another server session for every transaction: a lock would stay with a session that its owner can't
/// reach any more.
///
/// Two connections begin and commit transactions in changing order. So each of them gets another session at some time, whether the pooler gives
/// out its sessions in turn or the latest first.
package struct PoolingCheck {
    private let sessions: [BlockingSession]

    package init(_ first: BlockingSession, _ second: BlockingSession) {
        sessions = [first, second]
    }

    /// Whether there is a pooler: then the process that the protocol has announced is not the one that answers.
    package var isPooled: Bool {
        get throws(ConnectionFailure) {
            try sessions[0].ask("SELECT pg_catalog.pg_backend_pid()").text(row: 0, column: 0) != sessions[0].announcedProcess
        }
    }

    /// Whether there is a pooler that passes the server's process on as its own: then the session stays when its connection is closed.
    ///
    /// - Parameter session: The second of the two. It is closed.
    package func isKept(closing session: BlockingSession) throws(ConnectionFailure) -> Bool {
        let asked = """
            SELECT a.pid, pg_catalog.date_part('epoch', a.backend_start) FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a
            """
        let result = try session.ask(asked)
        session.finishAndWait()
        // Without its start, which another role hides, the process may be another session's.
        guard let process = result.text(row: 0, column: 0), let start = result.text(row: 0, column: 1) else { return false }
        for attempt in 0..<5 {
            // The server waits, and not this thread, whose attempt may be abandoned meanwhile.
            if attempt > 0 { _ = try sessions[0].ask("SELECT pg_catalog.pg_sleep(0.1)") }
            let seen = try sessions[0].ask(
                """
                SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_get_activity(\(process)) a
                WHERE pg_catalog.date_part('epoch', a.backend_start) OPERATOR(pg_catalog.=) \(start)::pg_catalog.float8
                """
            )
            guard seen.text(row: 0, column: 0) == "1" else { return false }
        }
        return true
    }

    /// Which of the two begins first, and which commits first. Other clients of a pooler can cancel out the change of order by chance; so if there
    /// is a pooler, further rounds follow in random order.
    private var rounds: [(begins: Int, commits: Int)] {
        get throws(ConnectionFailure) {
            let further = try isPooled ? 16 : 0
            return [(0, 0), (0, 0), (1, 0), (1, 1)]
                + (0..<further).map { _ in (begins: .random(in: 0...1), commits: .random(in: 0...1)) }
        }
    }

    package func run() throws(ConnectionFailure) {
        var known: [Backend?] = [nil, nil]
        for round in try rounds {
            let (backends, isAlone) = try backends(leader: round.begins, firstToCommit: round.commits)
            let changes = zip(known, backends).compactMap { was, backend in was.flatMap { $0 == backend ? nil : ($0, backend) } }
            if let (was, backend) = changes.first(where: { $0.server != $1.server }) {
                throw ConnectionFailure(
                    .locksDoNotExclude,
                    """
                    The connection does not stay with one server: one transaction ran on a server that was started at \(was.server), and the \
                    next on one that was started at \(backend.server) (UTC).
                    """
                )
            }
            guard changes.isEmpty, backends[0] != backends[1] else {
                throw ConnectionFailure(
                    .transactionPooling,
                    """
                    The connection goes through a pooler that pools transactions: from one transaction to the next it is \
                    another server session\(isAlone ? ", and there is but one in the pool" : "").
                    """
                )
            }
            known = backends
        }
    }

    /// A server process, and the server by its start: processes of two servers may have the same number.
    private struct Backend: Equatable {
        let process: String
        let server: String
    }

    /// Runs a transaction on each connection, both at the same time.
    ///
    /// - Returns: The server processes of the two, and whether the second began only after the first had ended.
    private func backends(
        leader: Int,
        firstToCommit: Int
    ) throws(ConnectionFailure) -> (backends: [Backend], isAlone: Bool) {
        let follower = 1 - leader
        try begin(leader)
        let leading = try backend(leader)
        try begin(follower)
        // A pool of one session has no session for the second transaction before the first has committed.
        let isAlone = try !sessions[follower].hasAnswer(within: min(.seconds(2), sessions[follower].remaining / 4))
        if isAlone {
            try commit(leader)
            guard try sessions[follower].hasAnswer(within: sessions[follower].remaining / 3) else {
                throw ConnectionFailure(
                    .unreachable,
                    """
                    A second connection is not answered while there is a first one. If there is a pooler, its pool is too small, or all \
                    of its sessions are in use.
                    """
                )
            }
        }
        let following = try backend(follower)
        for index in [firstToCommit, 1 - firstToCommit] where !(isAlone && index == leader) { try commit(index) }
        return (leader == 0 ? [leading, following] : [following, leading], isAlone)
    }

    private func begin(_ index: Int) throws(ConnectionFailure) {
        try sessions[index].send("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_catalog.pg_backend_pid(), \(ServerIdentity.startedSQL)")
    }

    private func backend(_ index: Int) throws(ConnectionFailure) -> Backend {
        do throws(ConnectionFailure) {
            let result = try sessions[index].receive()
            return Backend(process: result.text(row: 0, column: 0) ?? "", server: result.text(row: 0, column: 1) ?? "")
        } catch {
            // pgbouncer has no SQLSTATE for this message.
            guard error.message.contains("statement pooling") else { throw error }
            throw ConnectionFailure(
                .transactionPooling,
                "The connection goes through a pooler that pools statements.",
                sqlState: error.sqlState
            )
        }
    }

    private func commit(_ index: Int) throws(ConnectionFailure) {
        _ = try sessions[index].query("COMMIT")
    }
}
