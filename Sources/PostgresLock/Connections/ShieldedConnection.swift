import LibPQ

/// Runs statements on the caller's connection to their end, whatever becomes of the task: of half a statement nothing would be
/// known.
struct ShieldedConnection<Connection: LockConnection> {
    let connection: Connection

    /// - Parameter onCancel: Called when the task is cancelled meanwhile.
    func ask(
        _ sql: String,
        _ isolation: isolated (any Actor)?,
        onCancel: @Sendable @escaping () -> Void = {}
    ) async throws -> Bool? {
        let connection = UncheckedTransfer(connection)
        return try await Self.shielded(isolation, onCancel: onCancel) { try await connection.value.queryBoolean(sql) }
    }

    func rollBackTransaction(_ isolation: isolated (any Actor)?) async throws {
        let connection = UncheckedTransfer(connection)
        try await Self.shielded(isolation) { try await connection.value.rollBackTransaction() }
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

    private static func shielded<Result: Sendable>(
        _ isolation: isolated (any Actor)?,
        onCancel: @Sendable @escaping () -> Void = {},
        _ body: nonisolated(nonsending) @escaping () async throws -> Result
    ) async throws -> Result {
        // Awaited before this returns, and in the caller's isolation: the connection is never used by two at once.
        let input = UncheckedTransfer(body)
        let task = Task {
            _ = isolation
            return try await input.value()
        }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            onCancel()
        }
    }
}
