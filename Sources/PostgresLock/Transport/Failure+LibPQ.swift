import LibPQ
import LockCore

extension Failure {
    init(_ failure: ConnectionFailure) {
        let kind: Kind =
            switch failure.kind {
            case .badConfiguration, .refused: .refusedByConfiguration
            case .unreachable, .abandoned: .unreachable
            case .authentication: .authentication
            case .tooManyConnections: .tooManyConnections
            case .serverTooOld: .serverTooOld
            case .transactionPooling: .transactionPooling
            case .locksDoNotExclude: .locksDoNotExclude
            case .standby: .standby
            case .anotherServer: .anotherServer
            case .lost: .connectionLost
            }
        self.init(kind, failure.message, sqlState: failure.sqlState)
    }

    init(_ error: ServerError) {
        let kind: Kind =
            switch error.sqlState {
            case "57014": .cancelled
            case "55P03": .lockTimeout
            case "53200": .lockTableFull
            case "40P01": .deadlock
            case "25P02": .transactionAborted
            default: .statement
            }
        self.init(kind, error.text, sqlState: error.sqlState)
    }
}
