import PostgresLock

/// The table that the locks protect. It has a row for each key, which refuses tokens lower than its own. A second table, written in the
/// same transaction, lists all accepted writes.
struct GuardedTable: Sendable {
    /// Uses connections of its own without faults, so that a holder can try to write after it has lost its lock.
    let writes: LockManager
    let worker: String
    /// `false` only to see that the check of a run's history finds the stale writes.
    let refusesLowerTokens: Bool

    /// - Returns: The write's number, if it was accepted.
    func write(_ key: Int, claim: Int, token: FencingToken) async throws -> Int? {
        try await detached {
            try await writes.withTransaction(timeout: .seconds(10)) { transaction -> Int? in
                let rows = try await transaction.query(
                    """
                    UPDATE guarded SET token = $1::uuid, number = number + 1 WHERE key = $2 AND (token <= $1::uuid OR $3)
                    RETURNING number
                    """,
                    [.string(token.description), .int(key), .bool(!refusesLowerTokens)]
                )
                guard let number = try rows.first?.decode(0, as: Int.self) else { return nil }
                try await transaction.execute(
                    "INSERT INTO accepted (key, number, token, worker, claim) VALUES ($1, $2, $3::uuid, $4, $5)",
                    [.int(key), .int(number), .string(token.description), .string(worker), .int(claim)]
                )
                return number
            }
        }
    }

    /// Reads the token of a key's last write.
    func read(_ key: Int) async throws -> FencingToken? {
        try await detached {
            try await writes.withTransaction(timeout: .seconds(10)) { transaction in
                let rows = try await transaction.query("SELECT token::text FROM guarded WHERE key = $1", [.int(key)])
                return try FencingToken(rows[0].decode(0, as: String.self))
            }
        }
    }

    /// Runs the body in a task that neither the loss of a lock nor a cancellation ends, so that a holder can write too late.
    private func detached<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        try await Task.detached { try await body() }.value
    }
}
