import ChildProcesses
import Foundation

/// A temporary folder of the server's account. When the last reference is released or this process ends, the folder is deleted and the
/// server processes in it are ended.
///
/// A child process does that, the cleanup process, also if this process ends by SIGKILL. It is a shell that reads from a pipe, of which
/// only this process has the other end. The system closes that end when this process ends, otherwise only ``remove()`` does. The cleanup process gets no
/// message about the server, because this process could be killed before it sends one. Instead it searches for processes that work in the
/// folder.
final class GuardedFolder: Sendable {
    let path: String
    private let cleanup: ChildProcess

    var dataDirectory: String { "\(path)/data" }

    init(account: ServerAccount) throws {
        var template = Array("\(TemporaryParent.choose(for: account))/pglock-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw EphemeralPostgresError.system("Creating a temporary folder failed", errno: errno)
        }
        let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        self.path = path
        do {
            cleanup = try CommandRunner.start {
                // The script is in the environment, not on the command line, so that `ps` prints a short line.
                try ChildProcess(
                    ["/bin/sh", "-c", #"eval "$PGLOCK_CLEANUP""#, "pglock-cleanup", path],
                    environment: CommandRunner.environment.merging(["PGLOCK_CLEANUP": Self.script]) { $1 },
                    directory: "/",
                    input: .pipe,
                    output: .null,
                    error: .null
                )
            }
        } catch {
            rmdir(path)
            throw error
        }
        // Only the server's account may enter the folder: everyone who can connect to the socket is a superuser of the server.
        guard chmod(path, 0o700) == 0, geteuid() != 0 || chown(path, account.user, account.group) == 0 else {
            throw EphemeralPostgresError.system("Giving \(path) to \(account.name) failed", errno: errno)
        }
    }

    /// The process id of the cleanup process.
    var cleanupProcessIdentifier: pid_t { cleanup.processIdentifier }

    /// Ends the server processes in the folder and deletes it. A second call does nothing.
    func remove() async {
        cleanup.closeInput()
        // The wait is in a task of its own, because in a cancelled task it would end at once.
        _ = await Task { [cleanup] in try await cleanup.waitForEnd(within: .seconds(30)) }.result
        // In case the cleanup process was killed before.
        try? FileManager.default.removeItem(atPath: path)
    }
}
