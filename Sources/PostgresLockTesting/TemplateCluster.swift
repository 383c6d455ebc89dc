import ChildProcesses
import Foundation

/// Freshly initialised data directories, to be copied.
///
/// `initdb` takes a second, a copy of its work a tenth of that. So it runs once per process and set of programs; its
/// result stays until the process ends.
actor TemplateCluster {
    static let shared = TemplateCluster()

    private struct Key: Hashable {
        let binaryDirectory: String
        let account: ServerAccount
    }

    private var templates: [Key: Task<GuardedFolder, any Error>] = [:]

    /// Puts a new data directory into a folder.
    func copy(into folder: GuardedFolder, binaries: PostgresBinaries, account: ServerAccount) async throws {
        let template = try await template(binaries: binaries, account: account)
        // cp keeps owners and permissions, and shares the blocks on file systems that can.
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

    /// Makes a data directory of its own, with its own system identifier.
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
        // The first to ask makes it for all; if it fails, the next one to ask tries again.
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
