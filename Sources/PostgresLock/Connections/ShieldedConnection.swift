import LibPQ

/// Runs statements on the caller's connection to their end, also if the task is cancelled: after half a statement, the state of the
/// lock would not be known. If the server does not answer in time, the connection is closed.
struct ShieldedConnection<Connection: LockConnection> {
    let connection: Connection
    var responseTimeout = Duration.seconds(30)

    /// How long the server may take to answer a statement.
    enum AnswerLimit {
        /// The response timeout.
        case response
        /// The length of a wait for a lock, and the response timeout; without a length, the response timeout after the cancellation.
        case waiting(Duration?)
    }

    /// - Parameter onCancel: Called when the task is cancelled while the statement runs.
    func ask(
        _ sql: String,
        _ isolation: isolated (any Actor)?,
        _ limit: AnswerLimit = .response,
        onCancel: @Sendable @escaping () -> Void = {}
    ) async throws -> Bool? {
        let connection = UncheckedTransfer(connection)
        return try await shielded(isolation, limit, onCancel) { try await connection.value.queryBoolean(sql) }
    }

    func rollBackTransaction(_ isolation: isolated (any Actor)?) async throws {
        let connection = UncheckedTransfer(connection)
        try await shielded(isolation) { try await connection.value.rollBackTransaction() }
    }

    /// Sets a mark in the transaction that the connection is in.
    ///
    /// - Returns: `nil` if it is in none.
    func markTransaction(_ isolation: isolated (any Actor)?) async throws -> ConnectionLockStatements.Mark? {
        let mark = ConnectionLockStatements.Mark()
        _ = try await ask(mark.set, isolation)
        return try await isSet(mark, isolation) ? mark : nil
    }

    func isSet(_ mark: ConnectionLockStatements.Mark, _ isolation: isolated (any Actor)?) async throws -> Bool {
        try await ask(mark.isSet, isolation) == true
    }

    private func shielded<Result: Sendable>(
        _ isolation: isolated (any Actor)?,
        _ limit: AnswerLimit = .response,
        _ onCancel: @Sendable @escaping () -> Void = {},
        _ body: nonisolated(nonsending) @escaping () async throws -> Result
    ) async throws -> Result {
        let alarm = Alarm(connection.connectionCloser)
        switch limit {
        case .response: alarm.set(to: responseTimeout)
        case .waiting(let length?): alarm.set(to: length + responseTimeout)
        case .waiting(nil): break
        }
        defer { alarm.stop() }
        // Awaited before this returns, and in the caller's isolation: two tasks never use the connection at once.
        let input = UncheckedTransfer(body)
        let task = Task {
            _ = isolation
            return try await input.value()
        }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: { [responseTimeout] in
            alarm.set(to: responseTimeout)
            onCancel()
        }
    }
}
