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
            session = try BlockingSession.open(options.parameters, within: .seconds(options.connectTimeout))
            database = try session.waiting(for: limit).ask("SELECT pg_catalog.current_database()").text(row: 0, column: 0) ?? ""
        } catch {
            throw Self.failure(error)
        }
    }

    func find(_ look: LockLook) throws -> LockLook.Found {
        LockLook.read(try ask("\(LockLook.setting); \(look.sql)"))
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
        return CommandFailure(status, [failure.message, failure.advice].compactMap(\.self).joined(separator: " "))
    }
}
