/// Why a connection could not be made, or was lost.
package struct ConnectionFailure: Error, Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case badConfiguration
        case unreachable
        case authentication
        /// The database or the role does not exist, or may not be used.
        case refused
        case tooManyConnections
        case serverTooOld
        case transactionPooling
        case locksDoNotExclude
        case standby
        case anotherServer
        case abandoned
        case lost
    }

    package let kind: Kind
    /// Without secrets.
    package let message: String
    package let sqlState: String?

    package init(_ kind: Kind, _ message: String, sqlState: String? = nil) {
        self.kind = kind
        self.message = message
        self.sqlState = sqlState
    }
}
