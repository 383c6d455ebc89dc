import ChildProcesses
import Foundation

/// The fresh data directories that servers copy.
///
/// `initdb` takes a second, a copy of its result a tenth of that. So it runs once per process and set of programs, and its
/// result is kept until the process ends.
actor TemplateCluster {
    static let shared = TemplateCluster()

    private struct Key: Hashable {
        let binaryDirectory: String
        let account: ServerAccount
    }

    private var templates: [Key: Task<GuardedFolder, any Error>] = [:]

    /// Copies a fresh data directory into a folder.
    func copy(into folder: GuardedFolder, binaries: PostgresBinaries, account: ServerAccount) async throws {
        let template = try await template(binaries: binaries, account: account)
        // cp keeps owners and permissions, and shares blocks on file systems that support it.
        guard let cp = Executable.find("cp") else { throw EphemeralPostgresError(.system, "There is no `cp` in PATH.") }
        let result = try await CommandRunner.run(
            [cp, "-Rp", template.dataDirectory, folder.dataDirectory],
            directory: folder.path
        )
        guard result.succeeded else {
            throw EphemeralPostgresError(
                .startFailed,
                "Copying the template data directory failed: \(result.error)"
            )
        }
    }

    /// Creates a data directory by `initdb`, with a system identifier of its own.
    static func initialise(_ folder: GuardedFolder, binaries: PostgresBinaries, account: ServerAccount) async throws {
        let options = ["--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"]
        let result = try await CommandRunner.run(
            account.launcher + [binaries.initdb] + options + ["-D", folder.dataDirectory],
            directory: folder.path
        )
        guard result.succeeded else {
            throw EphemeralPostgresError(
                .startFailed,
                "initdb failed: \(result.error)\n\(result.output)"
            )
        }
    }

    private func template(binaries: PostgresBinaries, account: ServerAccount) async throws -> GuardedFolder {
        let key = Key(binaryDirectory: binaries.directory, account: account)
        // The first call creates the template for all others. If it fails, the next call tries again.
        let task =
            templates[key]
            ?? Task {
                let folder = try GuardedFolder(account: account)
                try await Self.initialise(folder, binaries: binaries, account: account)
                return folder
            }
        templates[key] = task
        do {
            return try await task.value
        } catch {
            if templates[key] == task { templates[key] = nil }
            throw error
        }
    }
}
