import LibPQ

/// A session on the server that is checked. Each question has a time limit of its own.
struct ServerUnderTest {
    private let first: BlockingSession
    private let parameters: ConnectionParameters
    private let limit: Duration

    init(_ parameters: ConnectionParameters, limit: Duration) throws(ConnectionFailure) {
        first = try BlockingSession.open(parameters, within: limit)
        self.parameters = parameters
        self.limit = limit
    }

    var session: BlockingSession { first.waiting(for: limit) }

    /// Another session on the same server.
    func another() throws(ConnectionFailure) -> ServerUnderTest {
        try ServerUnderTest(parameters.pinned(to: first), limit: limit)
    }

    func ask(_ sql: String) throws(ConnectionFailure) -> QueryResult {
        try session.ask(sql)
    }

    /// Whether the session answers in time. A pooler may accept a connection that it has no session for.
    func isAnswered(within limit: Duration) throws(ConnectionFailure) -> Bool {
        try session.ask("SELECT 1", within: limit) != nil
    }

    /// The values of the first row.
    func values(_ sql: String) throws(ConnectionFailure) -> [String?] {
        let result = try ask(sql)
        return (0..<result.columnCount).map { result.rowCount > 0 ? result.text(row: 0, column: $0) : nil }
    }
}
