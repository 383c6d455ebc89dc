/// Why something could not be done.
///
/// Decisions depend only on `kind`; the rest is for people.
package struct Failure: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        // Making a connection.
        case unreachable
        /// No attempt has failed so far, and none has succeeded.
        case stillConnecting
        /// The deadline came before the server has said whether the lock is free.
        case unanswered
        case refusedByConfiguration
        case authentication
        case tooManyConnections
        case serverTooOld
        case transactionPooling
        case locksDoNotExclude
        /// It may be promoted later.
        case standby
        /// The right server may answer the next time.
        case anotherServer
        // An existing connection.
        case connectionLost
        case noAnswer
        // A statement.
        case cancelled
        case lockTimeout
        case lockTableFull
        case deadlock
        /// Nothing was done, because an earlier statement of the same transaction had failed.
        case transactionAborted
        case notHeld
        case statement
        // This library.
        case suspect
        case capacity
        case shutDown
    }

    package let kind: Kind
    package let cause: Cause
    package let sqlState: String?

    package init(_ kind: Kind, _ cause: Cause, sqlState: String? = nil) {
        self.kind = kind
        self.cause = cause
        self.sqlState = sqlState
    }

    package init(_ kind: Kind, _ message: String, sqlState: String? = nil) {
        self.init(kind, .said(message), sqlState: sqlState)
    }

    package static let stillConnecting = Failure(.stillConnecting, .stillConnecting)
    package static let unanswered = Failure(.unanswered, .unanswered)
    package static let unexpectedAnswer = Failure(.connectionLost, .unexpectedAnswer)
    static let noAnswer = Failure(.noAnswer, .noAnswer)
    /// The lock is no longer held for certain.
    package static let suspect = Failure(.suspect, .silent)
    /// The session is gone, and the reason was reported before.
    package static let gone = Failure(.connectionLost, .gone)
    static let shutDown = Failure(.shutDown, .shutDown)

    /// Whether another attempt to connect can end differently without a change of the configuration.
    package var isWorthRetrying: Bool {
        switch kind {
        case .refusedByConfiguration, .authentication, .serverTooOld, .transactionPooling, .locksDoNotExclude: false
        default: true
        }
    }
}
