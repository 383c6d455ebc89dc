import CLibPQ

/// A session that a thread asks one question after the other, blocked until each is answered.
package struct BlockingSession {
    package let raw: RawConnection
    let deadline: ConnectDeadline

    init(_ raw: RawConnection, deadline: ConnectDeadline) {
        self.raw = raw
        self.deadline = deadline
    }

    /// The process id that the protocol has announced. A pooler may have made it up.
    package var announcedProcess: String { "\(PQbackendPID(raw.pointer))" }

    /// Runs a statement outside of a transaction, at the level `READ COMMITTED`.
    ///
    /// If the default of the role or the database were transactions that are serializable, read only and deferrable, the statement would
    /// wait for transactions of other sessions. The level is set for this statement only, since a string of statements is one transaction.
    package func ask(_ sql: String) throws(ConnectionFailure) -> QueryResult {
        try query(Self.asking(sql))
    }

    /// - Returns: `nil` if the answer does not begin in time. Then the session can't be asked any more.
    package func ask(_ sql: String, within limit: Duration) throws(ConnectionFailure) -> QueryResult? {
        try send(Self.asking(sql))
        return try hasAnswer(within: limit) ? receive() : nil
    }

    /// Runs one statement, alone and by the extended protocol, as the statements are sent that take locks: what lies between may treat strings of
    /// statements otherwise.
    ///
    /// In a role with deferrable transactions by default it may wait for other sessions.
    package func askAlone(_ sql: String) throws(ConnectionFailure) -> QueryResult {
        guard PQsendQueryParams(raw.pointer, sql, 0, nil, nil, nil, nil, 0) == 1 else { throw lost() }
        try flush()
        return try receive()
    }

    private static func asking(_ sql: String) -> String { "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; \(sql)" }

    /// Runs statements, and returns the result of the last one.
    package func query(_ sql: String) throws(ConnectionFailure) -> QueryResult {
        try send(sql)
        return try receive()
    }

    package func send(_ sql: String) throws(ConnectionFailure) {
        guard PQsendQuery(raw.pointer, sql) == 1 else { throw lost() }
        try flush()
    }

    private func flush() throws(ConnectionFailure) {
        while PQflush(raw.pointer) == 1 { try deadline.wait(for: PQsocket(raw.pointer), toWrite: true) }
    }

    /// Waits for the first result.
    ///
    /// - Returns: Whether it came in time.
    package func hasAnswer(within limit: Duration) throws(ConnectionFailure) -> Bool {
        do throws(ConnectionFailure) {
            try awaitAnswer(until: .now + limit)
            return true
        } catch {
            guard error == ConnectDeadline.isOver else { throw error }
            return false
        }
    }

    /// Waits for all results, and returns the last one.
    package func receive() throws(ConnectionFailure) -> QueryResult {
        var last: QueryResult?
        var failure: ServerError?
        while true {
            try awaitAnswer()
            guard let result = PQgetResult(raw.pointer) else { break }
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK:
                last = QueryResult(adopting: result)
            default:
                failure = ServerError(result: result)
                PQclear(result)
            }
        }
        if let failure { throw ConnectionFailure(preparing: failure) }
        guard let last else { throw lost() }
        return last
    }

    private func awaitAnswer(until limit: ContinuousClock.Instant? = nil) throws(ConnectionFailure) {
        while PQisBusy(raw.pointer) == 1 {
            try deadline.wait(for: PQsocket(raw.pointer), until: limit)
            guard PQconsumeInput(raw.pointer) == 1 else { throw lost() }
        }
    }

    private func lost() -> ConnectionFailure {
        ConnectionFailure(.unreachable, raw.errorMessage)
    }
}
