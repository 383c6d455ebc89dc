extension TestDatabase {
    /// Ends the sessions that hold advisory locks in this database. Not ended by the cancellation of a body whose lock that is.
    func terminateHolders() async throws {
        try await queryUncancelled(
            """
            SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """
        )
    }
}
