import Foundation
import LibPQ
import PostgresLock

// The checks of what locks need.
extension ServerUnderTest {
    func reachable(after time: Duration) throws(ConnectionFailure) -> Finding {
        let values = try values("SELECT pg_catalog.current_database(), session_user")
        let names = values.map { "\"\($0 ?? "")\"" }
        return Finding(.reachable, .ok, "database \(names[0]) on \(session.host), as \(names[1]), in \(time.text)")
    }

    var version: Finding {
        let major = session.serverVersion / 10_000
        let finding = "PostgreSQL \(session.versionText)"
        return switch major {
        case ..<12: Finding(.version, .failed, finding, advice: "The oldest version that is supported is 12. Upgrade the server.")
        case ..<14:
            Finding(
                .version,
                .warning,
                finding,
                advice: "A server before 14 leaves the locks of a client that has frozen locked until its connection breaks."
            )
        default: Finding(.version, .ok, finding)
        }
    }

    func primary() throws(ConnectionFailure) -> Finding {
        guard try values("SELECT pg_catalog.pg_is_in_recovery()") == ["f"] else {
            let failure = ConnectionFailure(.standby, "The server is a standby.")
            return Finding(.primary, .failed, failure.message, advice: failure.advice)
        }
        let identity = try ServerIdentity(of: session)
        let system = identity.system.map { "system \($0)" } ?? "its system identifier is not for this role to see"
        let timeline = identity.timeline.map { ", timeline \($0)" } ?? ""
        return Finding(.primary, .ok, "a primary; \(system)\(timeline)")
    }

    /// Whether a lock stays with the connection that has taken it, and is released with it.
    func pooling() throws(ConnectionFailure) -> Finding {
        let other = try another().session
        let check = PoolingCheck(session, other)
        try check.run()
        for session in [session, other] { try RoutingCheck.run(session) }
        let hasOtherProcess = try check.isPooled
        guard try hasOtherProcess ? true : check.isKept(closing: other) else {
            return Finding(.pooling, .ok, "none: this is the server itself")
        }
        let advice = "Configure it to reset sessions between clients (pgbouncer: server_reset_query = DISCARD ALL)."
        switch try ResetCheck(session, openAnother: { () throws(ConnectionFailure) in try another().session }).run() {
        case .isReset:
            return Finding(.pooling, .ok, "a pooler of sessions; each connection of a lock manager takes one of its pool")
        case .keepsSettings:
            return Finding(
                .pooling,
                .warning,
                """
                There is a pooler of sessions that keeps the settings of previous clients. A lock manager that is killed leaves its \
                settings there, and the server does not end a session of one that is frozen.
                """,
                advice: advice
            )
        case .keepsLocks:
            return Finding(.pooling, .failed, "There is a pooler of sessions that keeps the locks of previous clients.", advice: advice)
        }
    }

    /// - Parameter survey: `nil` if it could not be made.
    func exclusion(_ survey: ConnectionSurvey?) throws(ConnectionFailure) -> Finding {
        try ExclusionCheck.run(session, another().session)
        return survey?.exclusionFinding ?? Finding(.exclusion, .ok, "what one session has locked another can't lock")
    }
}

extension Duration {
    var text: String {
        String(format: "%.2f ms", self / .milliseconds(1))
    }
}
