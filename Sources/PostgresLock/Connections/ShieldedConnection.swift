import LibPQ

/// Runs statements on the caller's connection to their end, whatever becomes of the task: of half a statement nothing would be
/// known. A network that swallows everything would make that last for ever, so there is an end to that.
struct ShieldedConnection<Connection: LockConnection> {
    let connection: Connection
    var responseTimeout = Duration.seconds(30)

    /// How long the server may take to answer, for one who waits.
    enum ConnectDeadline {
        case asUsual
        /// A wait for a lock, of this length; `nil` until it is cancelled.
        case waiting(Duration?)
    }

    /// - Parameter onCancel: Called when the task is cancelled meanwhile.
    func ask(
        _ sql: String,
        _ isolation: isolated (any Actor)?,
        _ timeout: ConnectDeadline = .asUsual,
        onCancel: @Sendable @escaping () -> Void = {}
    ) async throws -> Bool? {
        let connection = UncheckedTransfer(connection)
        return try await shielded(isolation, timeout, onCancel) { try await connection.value.queryBoolean(sql) }
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
        _ timeout: ConnectDeadline = .asUsual,
        _ onCancel: @Sendable @escaping () -> Void = {},
        _ body: nonisolated(nonsending) @escaping () async throws -> Result
    ) async throws -> Result {
        let alarm = Alarm(connection.connectionCloser)
        switch timeout {
        case .asUsual: alarm.set(to: responseTimeout)
        case .waiting(let limit?): alarm.set(to: limit + responseTimeout)
        case .waiting(nil): break
        }
        defer { alarm.stop() }
        // Awaited before this returns, and in the caller's isolation: the connection is never used by two at once.
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
