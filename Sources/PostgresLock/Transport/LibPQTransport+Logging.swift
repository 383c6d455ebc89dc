import LibPQ
import LockCore
import Logging

extension Logger.Metadata {
    static func connection(_ id: ConnectionID, _ session: RawConnection.Session) -> Logger.Metadata {
        [
            LogKey.connection: "\(id.rawValue)", LogKey.processID: "\(session.processID)",
            LogKey.database: "\(session.database)",
        ]
    }
}

extension LogRelay {
    /// What the server says unasked. Its warnings are mostly about what we do on purpose, such as unlocking to prove
    /// that nothing is held, and every real failure has an error of its own.
    func logNotice(_ notice: ServerError) {
        debug("server notice", metadata: Logger.Metadata().adding(notice.message, notice.sqlState))
    }
}
