import Foundation

/// A temporary folder of the server's account. When the last reference is released or this process ends, the folder is deleted and the
/// server processes in it are ended.
final class GuardedFolder: Sendable {
    let path: String
    private let guardian: ServerGuardian

    var dataDirectory: String { "\(path)/data" }

    init(account: ServerAccount) throws {
        var template = Array("\(TemporaryParent.choose(for: account))/pglock-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw EphemeralPostgresError.system("Creating a temporary folder failed", errno: errno)
        }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        do {
            guardian = try ServerGuardian(folder: path)
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
        await guardian.dismiss()
        // In case the guardian was killed before.
        try? FileManager.default.removeItem(atPath: path)
    }
}
