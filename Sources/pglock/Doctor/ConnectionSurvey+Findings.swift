// What the survey of connections says.
extension ConnectionSurvey {
    /// Whether all connections lead to the same server.
    var serversFinding: Finding {
        let primaries = servers.filter { !$0.isStandby }
        guard servers.count > 1 else {
            return Finding(.servers, .ok, "\(connections) connections, up to \(Self.atOnce) at a time, led to the same server")
        }
        let finding = "\(connections) connections led to \(servers.count) servers: \(servers.map(Self.text).joined(separator: "; "))."
        guard primaries.count > 1 else {
            return Finding(
                .servers,
                .warning,
                finding,
                advice: """
                    The library refuses a standby and connects anew, so that connecting takes long and can fail. Give the address of the primary, or \
                    all hosts with target_session_attrs=read-write.
                    """
            )
        }
        guard doubleGrants > 0 else {
            return Finding(
                .servers,
                .warning,
                finding,
                advice: """
                    Their locks did exclude each other, but what the library does to other sessions (to cancel their waits, to look at them) reaches \
                    those on its own server only. Give the address of one server.
                    """
            )
        }
        return Finding(
            .servers,
            .failed,
            finding,
            advice: "A lock on one of them excludes nothing on the others. Give all processes the address of one server, the primary."
        )
    }

    /// Whether what one connection has locked others can't lock.
    var exclusionFinding: Finding {
        guard doubleGrants == 0 else {
            return Finding(
                .exclusion,
                .failed,
                "\(doubleGrants) of \(contenders) other connections got a lock that the first one held.",
                advice: "Give the address of one PostgreSQL server, the primary."
            )
        }
        guard isGranted else {
            return Finding(.exclusion, .failed, "A lock that was free was not granted, or one that was held not released.")
        }
        guard contenders > 0 else { return Finding(.exclusion, .ok, "what one session has locked another can't lock") }
        return Finding(
            .exclusion,
            .ok,
            "none of \(contenders) other connections got one of \(keys.count) locks that the first one held; released, they were free again"
        )
    }

    /// Whether `pg_locks` shows the locks.
    var visibilityFinding: Finding {
        guard let showsOwn else {
            let advice = "GRANT EXECUTE ON FUNCTION pg_lock_status() to it. \(Self.blind)"
            return Finding(.visibility, .warning, "This role may not read pg_locks.", advice: advice)
        }
        guard showsOwn else {
            return Finding(
                .visibility,
                .failed,
                "pg_locks does not show a session the locks that it holds.",
                advice: """
                    Statements of one connection may go to different servers. The library asks pg_locks whether a lock is still held after an error; it \
                    would take each for lost.
                    """
            )
        }
        guard showsOthers ?? true else {
            return Finding(.visibility, .warning, "pg_locks does not show the locks of other connections.", advice: Self.blind)
        }
        return Finding(.visibility, .ok, "pg_locks shows the locks, to the session that holds them and to others")
    }

    private static let blind = """
        Locks work, but what looks at those of others does not: pglock who, ps, top, graph and kick, who leads or has a share, the limit of a semaphore, \
        and errors that say who holds a lock.
        """

    private static func text(_ server: Server) -> String {
        let facts = [server.system.map { "system \($0)" }, server.address.map { "at \($0)" }].compactMap(\.self)
        let kind = server.isStandby ? "a standby" : "one"
        let place = facts.isEmpty ? "" : " (\(facts.joined(separator: ", ")))"
        return "\(server.connections) to \(kind) that was started at \(server.started) UTC\(place)"
    }
}
