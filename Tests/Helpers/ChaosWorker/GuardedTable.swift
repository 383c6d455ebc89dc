import PostgresLock

/// What the locks guard: a row per key, which refuses tokens lower than its own, and beside it, written in the same transaction,
/// the list of all writes that got through.
struct GuardedTable: Sendable {
    /// On connections of its own, which nothing is done to: so a holder that has lost its lock can write all the same, or try.
    let writes: LockManager
    let worker: String

    /// - Returns: The write's number, if it was accepted.
    func write(_ key: Int, claim: Int, token: FencingToken) async throws -> Int? {
        try await outside {
            try await writes.withTransaction(timeout: .seconds(10)) { transaction -> Int? in
                let rows = try await transaction.query(
                    """
                    UPDATE guarded SET fence = $1::uuid, number = number + 1 WHERE key = $2 AND fence <= $1::uuid
                    RETURNING number
                    """,
                    [.string(token.description), .int(key)]
                )
                guard let number = try rows.first?.decode(0, as: Int.self) else { return nil }
                try await transaction.execute(
                    "INSERT INTO accepted (key, number, fence, worker, claim) VALUES ($1, $2, $3::uuid, $4, $5)",
                    [.int(key), .int(number), .string(token.description), .string(worker), .int(claim)]
                )
                return number
            }
        }
    }

    /// The token of the last write.
    func read(_ key: Int) async throws -> FencingToken? {
        try await outside {
            try await writes.withTransaction(timeout: .seconds(10)) { transaction in
                let rows = try await transaction.query("SELECT fence::text FROM guarded WHERE key = $1", [.int(key)])
                return try FencingToken(rows[0].decode(0, as: String.self))
            }
        }
    }

    /// Not ended by the loss of a lock or a cancellation: what is being tried is to write too late.
    private func outside<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        try await Task.detached { try await body() }.value
    }
}
