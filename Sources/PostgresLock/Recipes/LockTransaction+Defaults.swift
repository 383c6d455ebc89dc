extension LockTransaction {
    /// Makes the transaction read what others have committed, whatever its role has for a default, and find only PostgreSQL's own functions,
    /// types and operators. Has to come before any other statement.
    func ignoreDefaults() async throws {
        try await execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE, NOT DEFERRABLE")
        try await execute("SET LOCAL search_path = pg_catalog, pg_temp")
    }
}
