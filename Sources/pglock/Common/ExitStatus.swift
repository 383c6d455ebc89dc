import PostgresLock

/// What pglock exits with, unless it passes on the status of its command.
///
/// The numbers between 64 and 78 are those of `sysexits.h`, 126 and above those of the shells.
enum ExitStatus {
    static let success: Int32 = 0
    static let failure: Int32 = 1
    /// The server is no ground for locks.
    static let unfit: Int32 = 2
    static let usage: Int32 = 64
    static let unavailable: Int32 = 69
    static let lockLost: Int32 = 70
    static let systemError: Int32 = 71
    static let tryAgain: Int32 = 75
    static let noPermission: Int32 = 77
    static let badConfiguration: Int32 = 78
    static let notExecutable: Int32 = 126
    static let notFound: Int32 = 127

    /// What a shell makes of a command that a signal has ended.
    static func signalled(_ signal: Int32) -> Int32 {
        128 + signal
    }

    /// The status for an error that is not contention.
    static func of(_ error: LockError) -> Int32 {
        switch error.code {
        case .lockLost: lockLost
        case .invalidArgument: usage
        case .badConfiguration: badConfiguration
        case .authenticationFailed: noPermission
        case .lockTableFull, .capacity, .poolExhausted, .deadlock, .timedOut: tryAgain
        default: unavailable
        }
    }
}
