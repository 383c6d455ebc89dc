import Foundation

/// Where the servers' folders are made.
enum TemporaryParent {
    /// TMPDIR where it is set; otherwise `/dev/shm` on a system that has it, with room; otherwise `/tmp`.
    ///
    /// A data directory is a thousand small files. In memory they are copied in a tenth of a second, on every machine;
    /// on a disk that took a whole second where much had been created and deleted just before (ext4).
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

    /// Whether the server's account gets there, we may write there, and the path of a socket there is short enough.
    private static func isFit(_ directory: String, for account: ServerAccount) -> Bool {
        // `sun_path` holds 108 bytes on Linux, 104 on macOS, with a zero at its end.
        let isShort = "\(directory)/pglock-XXXXXX/.s.PGSQL.65535".utf8.count < 104
        return isShort && access(directory, W_OK) == 0 && account.canReach(directory)
    }

    /// A gibibyte is many servers' worth. Containers get 64 MiB unless told otherwise, which is too little for two.
    private static func hasRoom(_ directory: String) -> Bool {
        var information = statvfs()
        guard statvfs(directory, &information) == 0 else { return false }
        return UInt64(information.f_bavail) * UInt64(information.f_frsize) >= 1 << 30
    }
}
