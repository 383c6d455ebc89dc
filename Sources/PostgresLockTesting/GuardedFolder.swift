import Foundation

/// A temporary folder of the server's account that is deleted, with all processes at work in it, when it is let go of
/// or this process dies.
final class GuardedFolder: Sendable {
    let path: String
    private let guardian: ServerGuardian

    var dataDirectory: String { "\(path)/data" }

    init(account: ServerAccount) throws {
        var template = Array("\(TemporaryParent.choose(for: account))/pglock-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw EphemeralPostgresError.system("Making a temporary folder failed", errno: errno)
        }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        do {
            guardian = try ServerGuardian(folder: path)
        } catch {
            rmdir(path)
            throw error
        }
        // Nobody else may pass: whoever reaches the socket is the server's superuser.
        guard chmod(path, 0o700) == 0, geteuid() != 0 || chown(path, account.user, account.group) == 0 else {
            throw EphemeralPostgresError.system("Giving \(path) to \(account.name) failed", errno: errno)
        }
    }

    /// The process that cleans up after us.
    var guardianProcessIdentifier: pid_t { guardian.processIdentifier }

    /// Ends what runs in the folder and deletes it. Doing it twice is harmless.
    func remove() async {
        await guardian.dismiss()
        // For the case that somebody has killed the guardian.
        try? FileManager.default.removeItem(atPath: path)
    }
}
