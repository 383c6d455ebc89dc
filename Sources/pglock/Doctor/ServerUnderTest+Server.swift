import LibPQ

// Checks that end in warnings at most, except for privileges.
extension ServerUnderTest {
    func lockTable() throws(ConnectionFailure) -> Finding {
        let numbers = try values(
            """
            SELECT pg_catalog.current_setting('max_locks_per_transaction')::pg_catalog.int8
                OPERATOR(pg_catalog.*) (pg_catalog.current_setting('max_connections')::pg_catalog.int8
                    OPERATOR(pg_catalog.+) pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int8),
                -- The predicate locks of serializable transactions and the locks of the fast path are not in this table.
                (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks
                    WHERE NOT fastpath AND mode OPERATOR(pg_catalog.<>) 'SIReadLock')
            """
        ).map { $0.flatMap { Int($0) } ?? 0 }
        let (size, taken) = (numbers[0], numbers[1])
        let share = taken * 100 / max(size, 1)
        let finding =
            "room for \(size) locks at least, of which \(taken) are taken (\(share) %); each lock manager keeps to \(size / 2)"
        guard taken > size / 2 else { return Finding(.lockTable, .ok, finding) }
        return Finding(
            .lockTable,
            .warning,
            finding,
            advice: """
                If the table is full, statements of all clients fail. Lock managers refuse locks beyond their part of it (configuration.capacity). \
                Raise max_locks_per_transaction, and restart the server.
                """
        )
    }

    func connections() throws(ConnectionFailure) -> Finding {
        let numbers = try values(
            """
            SELECT pg_catalog.current_setting('max_connections')::pg_catalog.int8
                OPERATOR(pg_catalog.-) pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int8,
                (SELECT pg_catalog.sum(pg_catalog.pg_stat_get_db_numbackends(oid)) FROM pg_catalog.pg_database),
                (SELECT r.rolconnlimit FROM pg_catalog.pg_roles r
                    WHERE r.rolname OPERATOR(pg_catalog.=) session_user AND r.rolconnlimit OPERATOR(pg_catalog.>=) 0),
                (SELECT d.datconnlimit FROM pg_catalog.pg_database d
                    WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
                    AND d.datconnlimit OPERATOR(pg_catalog.>=) 0)
            """
        ).map { $0.flatMap { Int($0) } }
        let (most, taken) = (numbers[0] ?? 0, numbers[1] ?? 0)
        let limits = [("this role", numbers[2]), ("this database", numbers[3])].compactMap { name, limit in limit.map { (name, $0) } }
        let finding =
            "\(taken) of \(most) are taken" + limits.map { "; \($0.0) may have \($0.1)" }.joined()
        // The default of the library's pool.maximumConnections.
        guard most - taken < 8 || limits.contains(where: { $0.1 < 8 }) else { return Finding(.connections, .ok, finding) }
        return Finding(
            .connections,
            .warning,
            finding,
            advice: "A lock manager takes up to 8 (pool.maximumConnections), pglock run 2. Raise max_connections, or lower that."
        )
    }

    func timeouts() throws(ConnectionFailure) -> Finding {
        let result = try ask(
            """
            SELECT name, setting, source FROM pg_catalog.pg_settings
            WHERE name OPERATOR(pg_catalog.=) ANY (ARRAY['statement_timeout', 'lock_timeout', 'transaction_timeout',
                'idle_session_timeout', 'idle_in_transaction_session_timeout']::pg_catalog.text[])
                AND setting OPERATOR(pg_catalog.<>) '0'
            ORDER BY name
            """
        )
        guard result.rowCount > 0 else { return Finding(.timeouts, .ok, "none is set") }
        let settings = (0..<result.rowCount).map { row in
            let values = (0..<3).map { result.text(row: row, column: $0) ?? "" }
            return "\(values[0]) = \(values[1]) ms (\(values[2]))"
        }
        return Finding(
            .timeouts,
            .warning,
            settings.joined(separator: ", "),
            advice: "The library and pglock override them in their sessions. Waits of other clients for locks are ended by them."
        )
    }

    func privileges() throws(ConnectionFailure) -> Finding {
        let needed =
            [
                "pg_try_advisory_lock", "pg_try_advisory_lock_shared", "pg_advisory_lock", "pg_advisory_lock_shared",
                "pg_advisory_unlock", "pg_advisory_unlock_shared", "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared",
                "pg_try_advisory_xact_lock", "pg_try_advisory_xact_lock_shared",
            ].flatMap { ["\($0)(bigint)", "\($0)(integer,integer)"] } + ["pg_cancel_backend(integer)", "pg_stat_get_activity(integer)"]
        // Since version 17 it has one more parameter.
        let message =
            "pg_logical_emit_message(boolean,pg_catalog.text,pg_catalog.text\(session.serverVersion >= 170_000 ? ",boolean" : ""))"
        let useful = [message, "pg_walfile_name(pg_catalog.pg_lsn)", "pg_current_wal_lsn()", "pg_control_system()", "pg_lock_status()"]
        let names = (needed + useful).map { "'pg_catalog.\($0)'" }.joined(separator: ", ")
        let result = try ask(
            """
            SELECT pg_catalog.replace(f.name, 'pg_catalog.', '')
            FROM pg_catalog.unnest(ARRAY[\(names)]::pg_catalog.text[]) f (name),
                LATERAL (SELECT pg_catalog.to_regprocedure(f.name)::pg_catalog.oid) p (oid)
            WHERE NOT COALESCE(pg_catalog.has_function_privilege(session_user, p.oid, 'EXECUTE')
                AND pg_catalog.has_function_privilege(current_user, p.oid, 'EXECUTE'), false)
            """
        )
        let missing = (0..<result.rowCount).map { result.text(row: $0, column: 0) ?? "" }
        guard !missing.isEmpty else { return Finding(.privileges, .ok, "this role may call all that the library calls") }
        let isFatal = missing.contains { needed.contains($0) }
        return Finding(
            .privileges,
            isFatal ? .failed : .warning,
            "This role may not call \(missing.joined(separator: ", ")).",
            advice: isFatal
                ? "GRANT EXECUTE on them to the role."
                : """
                GRANT EXECUTE to the role, if the server lets you: pg_logical_emit_message, pg_walfile_name and pg_current_wal_lsn are \
                for fencing tokens; pg_control_system and pg_walfile_name tell one server from another; pg_lock_status tells how \
                full the lock table is.
                """
        )
    }
}
