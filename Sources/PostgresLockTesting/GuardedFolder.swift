import ChildProcesses
import Foundation

/// A temporary folder of the server's account. When the last reference is released or this process ends, the folder is deleted and the
/// server processes in it are ended.
///
/// A child process, the guardian, does that, also if this process ends by SIGKILL. It is a shell that reads from a pipe, of which only this
/// process has the other end. The system closes that end when this process ends, otherwise only ``remove()`` does. The guardian gets no
/// message about the server, because this process could be killed before it sends one. Instead it searches for processes that work in the
/// folder.
final class GuardedFolder: Sendable {
    let path: String
    private let guardian: ChildProcess

    var dataDirectory: String { "\(path)/data" }

    init(account: ServerAccount) throws {
        var template = Array("\(TemporaryParent.choose(for: account))/pglock-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw EphemeralPostgresError.system("Creating a temporary folder failed", errno: errno)
        }
        let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        self.path = path
        do {
            guardian = try CommandRunner.start {
                // The script is in the environment, not on the command line, so that `ps` prints a short line.
                try ChildProcess(
                    ["/bin/sh", "-c", #"eval "$PGLOCK_GUARDIAN""#, "pglock-guardian", path],
                    environment: CommandRunner.environment.merging(["PGLOCK_GUARDIAN": Self.script]) { $1 },
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

    /// The process id of the guardian.
    var guardianProcessIdentifier: pid_t { guardian.processIdentifier }

    /// Ends the server processes in the folder and deletes it. A second call does nothing.
    func remove() async {
        guardian.closeInput()
        // The wait is in a task of its own, because in a cancelled task it would end at once.
        _ = await Task { [guardian] in try await guardian.waitForEnd(within: .seconds(30)) }.result
        // In case the guardian was killed before.
        try? FileManager.default.removeItem(atPath: path)
    }
}
