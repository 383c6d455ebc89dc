import Foundation

/// The folder in which the servers' folders are created.
enum TemporaryParent {
    /// TMPDIR if it is set; otherwise `/dev/shm` if it exists and has enough space; otherwise `/tmp`.
    ///
    /// A data directory has about a thousand small files. Copying them takes a tenth of a second in memory, but was measured to take a
    /// second on a disk (ext4) on which many files had been created and deleted just before.
    static func choose(for account: ServerAccount) -> String {
        var candidates: [String] = []
        if var directory = ProcessInfo.processInfo.environment["TMPDIR"], directory.hasPrefix("/") {
            while directory.count > 1 && directory.hasSuffix("/") { directory.removeLast() }
            candidates.append(directory)
        } else if hasRoom("/dev/shm") {
            candidates.append("/dev/shm")
        }
        return candidates.first { isFit($0, for: account) } ?? "/tmp"
    }

    /// Whether the server's account can enter the folder, this process can write to it, and a socket's path in it is short enough.
    private static func isFit(_ directory: String, for account: ServerAccount) -> Bool {
        // `sun_path` holds 108 bytes on Linux, 104 on macOS, with a zero at its end.
        let isShort = "\(directory)/pglock-XXXXXX/.s.PGSQL.65535".utf8.count < 104
        return isShort && access(directory, W_OK) == 0 && account.canReach(directory)
    }

    /// Whether the folder has 1 GiB of free space, enough for many servers. A container's default of 64 MiB is too small for two.
    private static func hasRoom(_ directory: String) -> Bool {
        var information = statvfs()
        guard statvfs(directory, &information) == 0 else { return false }
        return UInt64(information.f_bavail) * UInt64(information.f_frsize) >= 1 << 30
    }
}
