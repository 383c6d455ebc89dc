import ChildProcesses
import Foundation

/// What went wrong with a throwaway server, and what to do about it.
///
/// No message holds a password: the one from ``EphemeralPostgres/Options/password`` is masked wherever it turns up,
/// in the server's log too.
public struct EphemeralPostgresError: Error, Sendable {
    /// The kind of failure. More kinds may be added; keep a `default` for them.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name, as it is written in Swift.
        public let description: String

        /// No folder with PostgreSQL's server binaries was found.
        public static let binariesNotFound = Code(description: "binariesNotFound")
        /// The server binaries are there, but the account that has to run them can't.
        public static let binariesUnusable = Code(description: "binariesUnusable")
        /// The process is root, as which PostgreSQL refuses to run, and there is no way to run it as somebody else.
        public static let accountUnavailable = Code(description: "accountUnavailable")
        /// A value in ``EphemeralPostgres/Options`` can't be used.
        public static let invalidOption = Code(description: "invalidOption")
        /// The server, or the making of its data directory, failed. See ``EphemeralPostgresError/serverLogTail``.
        public static let startFailed = Code(description: "startFailed")
        /// The server was told to stop and did not in time.
        public static let stopTimedOut = Code(description: "stopTimedOut")
        /// What was asked for is impossible in the server's state: it has been removed, or is running already.
        public static let wrongState = Code(description: "wrongState")
        /// psql could not run a query. See ``EphemeralPostgresError/sqlState``.
        public static let queryFailed = Code(description: "queryFailed")
        /// The operating system refused a file, a process or a port.
        public static let system = Code(description: "system")
    }

    /// The kind of failure.
    public let code: Code
    /// What failed, and what to do about it.
    public let message: String
    /// The end of the server's log, when the server failed to start.
    public let serverLogTail: String?
    /// The server's error code, five characters, when a query failed in the server.
    public let sqlState: String?

    init(_ code: Code, _ message: String, serverLogTail: String? = nil, sqlState: String? = nil) {
        self.code = code
        self.message = message
        self.serverLogTail = serverLogTail
        self.sqlState = sqlState
    }

    /// An error of the operating system's, from `errno` or what a function returned in its place.
    static func system(_ what: String, errno number: Int32) -> EphemeralPostgresError {
        EphemeralPostgresError(.system, SystemFailure(what, number).description)
    }
}

extension EphemeralPostgresError: CustomStringConvertible {
    /// The code, the message, and the end of the server's log where there is one.
    public var description: String {
        var text = "EphemeralPostgresError.\(code): \(message)"
        if let serverLogTail, !serverLogTail.isEmpty {
            text += "\nThe end of the server's log:\n\(serverLogTail)"
        }
        return text
    }
}
