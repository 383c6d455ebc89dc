import CommandSupport
import PostgresLock

extension ExitStatus {
    /// The status for an error that is not contention.
    static func of(_ error: LockError) -> Int32 {
        switch error.code {
        case .lockLost: lockLost
        case .invalidArgument: usage
        case .badConfiguration, .noRunTable, .runMismatch, .shareMismatch, .limitMismatch: badConfiguration
        case .authenticationFailed: noPermission
        case .lockTableFull, .capacity, .poolExhausted, .deadlock, .timedOut: tryAgain
        default: unavailable
        }
    }
}
