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
        var known: [String?] = [nil, nil]
        for round in try rounds {
            let (processes, isAlone) = try processes(leader: round.begins, firstToCommit: round.commits)
            guard processes[0] != processes[1], zip(known, processes).allSatisfy({ $0 == nil || $0 == $1 }) else {
                throw ConnectionFailure(
                    .transactionPooling,
                    """
                    The connection goes through a pooler that pools transactions: from one transaction to the next it is \
                    another server session\(isAlone ? ", and there is but one in the pool" : "").
                    """
                )
            }
            known = processes
        }
    }

    /// Runs a transaction on each connection, both at the same time.
    ///
    /// - Returns: The server processes of the two, and whether the second began only after the first had ended.
    private func processes(
        leader: Int,
        firstToCommit: Int
    ) throws(ConnectionFailure) -> (processes: [String?], isAlone: Bool) {
        let follower = 1 - leader
        var processes: [String?] = [nil, nil]
        try begin(leader)
        processes[leader] = try process(leader)
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
        processes[follower] = try process(follower)
        for index in [firstToCommit, 1 - firstToCommit] where !(isAlone && index == leader) { try commit(index) }
        return (processes, isAlone)
    }

    private func begin(_ index: Int) throws(ConnectionFailure) {
        try sessions[index].send("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_catalog.pg_backend_pid()")
    }

    private func process(_ index: Int) throws(ConnectionFailure) -> String? {
        do throws(ConnectionFailure) {
            return try sessions[index].receive().text(row: 0, column: 0)
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
