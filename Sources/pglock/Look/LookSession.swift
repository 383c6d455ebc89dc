import CommandSupport
import Foundation
import LibPQ
import PostgresLock

/// A session that looks at the server's locks. Its calls block.
struct LookSession {
    private let session: BlockingSession
    private let limit: Duration
    let database: String

    /// - Throws: `CommandFailure` if the server can't be asked.
    init(_ options: ConnectionOptions, limit: Duration = .seconds(30)) throws {
        self.limit = limit
        do throws(ConnectionFailure) {
            session = try Self.open(options)
            database = try session.waiting(for: limit).ask("SELECT pg_catalog.current_database()").text(row: 0, column: 0) ?? ""
        } catch {
            throw Self.failure(error)
        }
    }

    /// Opens a session on a primary if there is one: of several hosts, a standby that comes first has locks of its own.
    private static func open(_ options: ConnectionOptions) throws(ConnectionFailure) -> BlockingSession {
        let limit = Duration.seconds(options.connectTimeout)
        do throws(ConnectionFailure) {
            return try HostSearch(parameters: options.parameters, limit: limit).run { (session) throws(ConnectionFailure) in
                let asked = session.waiting(for: limit)
                guard try !isStandby(asked) else { throw ConnectionFailure(.standby, "The server is a standby.") }
                return asked
            }
        } catch  where error.kind == .standby {
            return try BlockingSession.open(options.parameters, within: limit)
        }
    }

    private static func isStandby(_ session: BlockingSession) throws(ConnectionFailure) -> Bool {
        try session.ask("SELECT pg_catalog.pg_is_in_recovery()").text(row: 0, column: 0) == "t"
    }

    func find(_ look: LockLook) throws -> LockLook.Found {
        var found = LockLook.read(try ask("\(LockLook.setting); \(look.sql)"))
        do throws(ConnectionFailure) {
            // For each look, since a standby may be promoted.
            found.isStandby = try Self.isStandby(session.waiting(for: limit))
        } catch {
            throw Self.failure(error)
        }
        return found
    }

    /// Runs one statement.
    func ask(_ sql: String) throws -> QueryResult {
        do throws(ConnectionFailure) {
            return try session.waiting(for: limit).ask(sql)
        } catch {
            throw Self.failure(error)
        }
    }

    private static func failure(_ failure: ConnectionFailure) -> CommandFailure {
        let status =
            switch failure.kind {
            case .authentication: ExitStatus.noPermission
            case .refused where failure.sqlState == "42501": ExitStatus.noPermission
            case .badConfiguration: ExitStatus.badConfiguration
            default: ExitStatus.unavailable
            }
        // What is wrong with a connection string is said by the message.
        let advice = failure.kind == .badConfiguration ? nil : failure.advice
        return CommandFailure(status, String.sentences(failure.message, advice))
    }
}
