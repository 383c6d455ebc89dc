package import Foundation

/// The operating system account that the server runs as.
package struct ServerAccount: Hashable, Sendable {
    package let name: String
    package let user: uid_t
    package let group: gid_t
    /// The prefix of a command line that runs the command as this account. The prefix's program replaces itself by the command (`exec`),
    /// so the started process *is* the server: it receives the signals, and its end is the server's.
    package let launcher: [String]

    /// The account of this process. If that is root, as which PostgreSQL refuses to run, `postgres` or, if that does not exist, `nobody`.
    package static func current() throws -> ServerAccount {
        let user = geteuid()
        guard user == 0 else { return ServerAccount(name: "user \(user)", user: user, group: getegid(), launcher: []) }
        guard let (name, user, group) = lookUp("postgres") ?? lookUp("nobody") else {
            throw EphemeralPostgresError(
                .accountUnavailable,
                """
                PostgreSQL refuses to run as root, and there is no account `postgres` or `nobody` to run it as. \
                Add one (`useradd --system postgres`), or don't run as root.
                """
            )
        }
        guard let launcher = launcher(user: user, group: group) else {
            throw EphemeralPostgresError(
                .accountUnavailable,
                """
                PostgreSQL refuses to run as root, and no program was found that could start it as \(name): neither \
                setpriv (util-linux), gosu, su-exec nor chroot (coreutils). Install one, or don't run as root.
                """
            )
        }
        return ServerAccount(name: name, user: user, group: group, launcher: launcher)
    }

    /// Whether this account may enter a folder and all folders above it. Access control lists are ignored.
    package func canReach(_ directory: String) -> Bool {
        if user == 0 { return true }
        var path = directory
        while true {
            var information = stat()
            guard stat(path, &information) == 0 else { return false }
            let mode = UInt32(information.st_mode)
            let needed: UInt32 = information.st_uid == user ? 0o100 : information.st_gid == group ? 0o010 : 0o001
            guard mode & needed != 0 else { return false }
            if path == "/" || path.isEmpty { return true }
            path = URL(fileURLWithPath: path).deletingLastPathComponent().path
        }
    }

    private static func lookUp(_ name: String) -> (String, uid_t, gid_t)? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        guard getpwnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil, entry.pw_uid != 0 else {
            return nil
        }
        return (name, entry.pw_uid, entry.pw_gid)
    }

    private static func launcher(user: uid_t, group: gid_t) -> [String]? {
        #if canImport(Darwin)
            return Executable.find("chroot").map { [$0, "-u", "\(user)", "-g", "\(group)", "/"] }
        #else
            // Busybox's setpriv and chroot can't change the user.
            if let setpriv = Executable.find("setpriv"), !Executable.isBusybox(setpriv) {
                return [setpriv, "--reuid=\(user)", "--regid=\(group)", "--clear-groups", "--"]
            }
            if let tool = Executable.find("gosu") ?? Executable.find("su-exec") { return [tool, "\(user):\(group)"] }
            if let chroot = Executable.find("chroot"), !Executable.isBusybox(chroot) {
                return [chroot, "--userspec=\(user):\(group)", "--groups=\(group)", "/"]
            }
            return nil
        #endif
    }
}
