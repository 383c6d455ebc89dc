import ChildProcesses
import Foundation

/// The folder with PostgreSQL's programs.
struct PostgresBinaries: Sendable {
    let directory: String
    /// The path of psql. It is usually in the same folder, but some systems have a separate package for the client.
    let psql: String?
    /// The version as the server reports it, for example `15.18`.
    let version: String

    var initdb: String { "\(directory)/initdb" }
    var postgres: String { "\(directory)/postgres" }

    /// The environment variable that names the folder.
    static let variable = "PGLOCK_POSTGRES_BIN"

    /// Finds the programs and makes sure that `account` can run them.
    static func locate(directory: String?, account: ServerAccount) async throws -> PostgresBinaries {
        let found = try find(directory: directory)
        let version = try await version(in: found, account: account)
        let psql = Executable.exists("\(found)/psql") ? "\(found)/psql" : Executable.find("psql")
        return PostgresBinaries(directory: found, psql: psql, version: version)
    }

    private static func find(directory: String?) throws -> String {
        // If the user names a folder without the programs, using another one would hide the mistake.
        if let directory { return try check(directory, from: "Options.binaryDirectory") }
        if let directory = ProcessInfo.processInfo.environment[variable], !directory.isEmpty {
            return try check(directory, from: variable)
        }
        for folder in Executable.searchPath where Executable.exists("\(folder)/initdb") {
            // PATH often holds links to single programs; the other programs are in the folder of the link's target.
            let initdb = URL(fileURLWithPath: Executable.resolve("\(folder)/initdb"))
            let candidates = [initdb.deletingLastPathComponent().path, folder]
            if let complete = candidates.first(where: isComplete) { return complete }
        }
        if let found = patterns.flatMap(expand).first(where: isComplete) { return found }
        throw EphemeralPostgresError(
            .binariesNotFound,
            """
            PostgreSQL's server programs (initdb and postgres) were not found. Install them (Debian, Ubuntu: \
            `apt-get install postgresql`; macOS: `brew install postgresql@17`), or set \(variable) to the folder that \
            holds them. Looked in: the folders of PATH, \(patterns.joined(separator: ", ")).
            """
        )
    }

    private static func check(_ directory: String, from source: String) throws -> String {
        guard isComplete(directory) else {
            throw EphemeralPostgresError(
                .binariesNotFound,
                """
                \(source) names \(directory), but that folder does not hold PostgreSQL's server programs (initdb and \
                postgres) or they are not executable. Name the folder that does, for example \
                /usr/lib/postgresql/15/bin, or none to have it searched for (\(variable) is read first). On Debian and \
                Ubuntu, install them with `apt-get install postgresql`.
                """
            )
        }
        return Executable.resolve(directory)
    }

    private static func isComplete(_ directory: String) -> Bool {
        Executable.exists("\(directory)/initdb") && Executable.exists("\(directory)/postgres")
    }

    private static func version(in directory: String, account: ServerAccount) async throws -> String {
        // A shell starts the program, because setpriv itself still has root's rights when it does so.
        let result = try await CommandRunner.run(
            account.launcher + ["/bin/sh", "-c", #"exec "$0" --version"#, "\(directory)/postgres"]
        )
        guard result.succeeded else {
            throw EphemeralPostgresError(
                .binariesUnusable,
                """
                \(directory)/postgres can't be run by \(account.name)\
                \(account.launcher.isEmpty ? "" : " (PostgreSQL refuses to run as root)"). Make the folder and all \
                those above it accessible to that account (`chmod o+x`), or set \(variable) to another folder. The \
                system says: \(result.error.trimmingCharacters(in: .whitespacesAndNewlines))
                """
            )
        }
        // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
        let words = result.output.split(whereSeparator: \.isWhitespace)
        return words.count > 2 ? String(words[2]) : "unknown"
    }
}

extension PostgresBinaries {
    /// The folders in which systems install the programs, in the order of the search. `*` is a version.
    private static let patterns = [
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/usr/libexec/postgresql*",
        "/usr/local/pgsql/bin",
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
        "/Applications/Postgres.app/Contents/Versions/*/bin",
    ]

    /// The folders that match, the highest version first. They are compared as numbers, so "9.6" comes after "15".
    private static func expand(_ pattern: String) -> [String] {
        var matches = glob_t()
        defer { globfree(&matches) }
        guard glob(pattern, 0, nil, &matches) == 0, let paths = matches.gl_pathv else { return [] }
        return (0..<Int(matches.gl_pathc))
            .compactMap { paths[$0].map { String(cString: $0) } }
            .sorted { $0.compare($1, options: .numeric) == .orderedDescending }
    }
}
