/// The exit statuses of pglock and the demonstration, except when pglock passes on the status of the command that it runs.
///
/// The numbers from 64 to 78 are those of `sysexits.h`, 126 and above those of shells.
package enum ExitStatus {
    package static let success: Int32 = 0
    package static let failure: Int32 = 1
    /// `pglock run` did not get the lock, which is taken, and `-E` names no other status. flock(1) has the same.
    package static let lockTaken: Int32 = 1
    /// `pglock doctor` found that locks can't work on this server or connection.
    package static let unfit: Int32 = 2
    package static let usage: Int32 = 64
    package static let unavailable: Int32 = 69
    package static let lockLost: Int32 = 70
    package static let systemError: Int32 = 71
    package static let tryAgain: Int32 = 75
    package static let noPermission: Int32 = 77
    package static let badConfiguration: Int32 = 78
    package static let notExecutable: Int32 = 126
    package static let notFound: Int32 = 127

    /// The status that shells report for a command that a signal has ended.
    package static func signalled(_ signal: Int32) -> Int32 {
        128 + signal
    }
}
