import ChildProcesses
import Foundation

/// A failure of a temporary server, and what to do about it.
///
/// No message contains the password of ``EphemeralPostgres/Options/password``: it is masked in all texts, including the server's log.
public struct EphemeralPostgresError: Error, Sendable {
    /// The kind of a failure. Later versions may add kinds, so code that switches over them needs a `default`.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name, as written in Swift.
        public let description: String

        /// No folder with PostgreSQL's server binaries was found.
        public static let binariesNotFound = Code(description: "binariesNotFound")
        /// The server binaries exist, but the account that has to run them can't.
        public static let binariesUnusable = Code(description: "binariesUnusable")
        /// This process is root, as which PostgreSQL refuses to run, and it can't be run as another account.
        public static let accountUnavailable = Code(description: "accountUnavailable")
        /// A value in ``EphemeralPostgres/Options`` can't be used.
        public static let invalidOption = Code(description: "invalidOption")
        /// Starting the server or creating its data directory failed. See ``EphemeralPostgresError/serverLogTail``.
        public static let startFailed = Code(description: "startFailed")
        /// The server did not stop in time.
        public static let stopTimedOut = Code(description: "stopTimedOut")
        /// The operation is not possible in the server's state: it has been removed, or is running already.
        public static let wrongState = Code(description: "wrongState")
        /// psql could not run a query. See ``EphemeralPostgresError/sqlState``.
        public static let queryFailed = Code(description: "queryFailed")
        /// The test asks for its database, and has none.
        public static let noDatabase = Code(description: "noDatabase")
        /// The operating system refused a file, a process or a port.
        public static let system = Code(description: "system")
    }

    /// The kind of failure.
    public let code: Code
    /// What failed, and what to do about it.
    public let message: String
    /// The end of the server's log, when the server failed to start.
    public let serverLogTail: String?
    /// The SQLSTATE, five characters, when a query failed in the server.
    public let sqlState: String?

    package init(_ code: Code, _ message: String, serverLogTail: String? = nil, sqlState: String? = nil) {
        self.code = code
        self.message = message
        self.serverLogTail = serverLogTail
        self.sqlState = sqlState
    }

    /// An error of the operating system, from `errno` or a function's error number.
    static func system(_ what: String, errno number: Int32) -> EphemeralPostgresError {
        EphemeralPostgresError(.system, SystemFailure(what, number).description)
    }
}

extension EphemeralPostgresError: CustomStringConvertible {
    /// The code, the message, and the end of the server's log if there is one.
    public var description: String {
        var text = "EphemeralPostgresError.\(code): \(message)"
        if let serverLogTail, !serverLogTail.isEmpty {
            text += "\nThe end of the server's log:\n\(serverLogTail)"
        }
        return text
    }
}
