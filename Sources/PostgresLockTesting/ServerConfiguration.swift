import Foundation

/// The server's configuration files.
struct ServerConfiguration: Sendable {
    let socketDirectory: String
    let listensOnTCP: Bool
    let needsPassword: Bool
    private(set) var settings: [String: String] = [:]

    /// Settings that make a temporary server fast and its log short. Users' settings override them.
    ///
    /// `synchronous_commit` stays on: without `fsync` it costs almost nothing, and tests of crashes need it, because without it a
    /// crash loses commits that were acknowledged.
    private static let defaults = [
        "fsync": "off",
        "full_page_writes": "off",
        "max_connections": "100",
        "shared_buffers": "16MB",
        "huge_pages": "off",
        // Shared memory is in the folder, not in /dev/shm, which is small in containers and where a killed server would leave its files.
        "dynamic_shared_memory_type": "mmap",
        // The WAL is small, because the folder may be in memory.
        "min_wal_size": "32MB",
        "max_wal_size": "128MB",
        "checkpoint_warning": "0",
        "autovacuum": "off",
        "jit": "off",
        "log_line_prefix": "%m [%p] ",
        "timezone": "UTC",
        "log_timezone": "UTC",
    ]

    /// Settings that the package sets itself.
    private static let reserved: Set = [
        "port", "listen_addresses", "unix_socket_directories", "data_directory", "config_file", "hba_file",
    ]

    init(socketDirectory: String, listensOnTCP: Bool, needsPassword: Bool, settings: [String: String]) throws {
        self.socketDirectory = socketDirectory
        self.listensOnTCP = listensOnTCP
        self.needsPassword = needsPassword
        try merge(settings)
    }

    /// Adds settings, in place of earlier ones of the same name.
    mutating func merge(_ more: [String: String]) throws {
        var settings = self.settings
        for (name, value) in more {
            let key = name.lowercased()
            guard key.wholeMatch(of: #/[a-z0-9_.]+/#) != nil, !value.utf8.contains(0) else {
                throw EphemeralPostgresError(.invalidOption, "\"\(name)\" is not a setting of postgresql.conf.")
            }
            guard !Self.reserved.contains(key) else {
                throw EphemeralPostgresError(
                    .invalidOption,
                    """
                    The setting \(key) can't be set: the package chooses the server's folder, socket and port. Use \
                    `listensOnTCP` to let the server listen on the loopback interface.
                    """
                )
            }
            settings[key] = value
        }
        self.settings = settings
    }

    /// Writes the settings into the file that ``install(in:)`` has included in `postgresql.conf`.
    func write(to dataDirectory: String, port: Int) throws {
        var all = Self.defaults.merging(settings) { $1 }
        all["port"] = "\(port)"
        all["listen_addresses"] = listensOnTCP ? "127.0.0.1" : ""
        all["unix_socket_directories"] = socketDirectory
        let lines = all.sorted { $0.key < $1.key }.map { "\($0.key) = \(Self.quote($0.value))" }
        try Self.write(lines, to: "\(dataDirectory)/\(Self.fileName)")
    }

    /// Prepares a fresh data directory: writes `pg_hba.conf`, and includes the package's settings in `postgresql.conf`.
    ///
    /// The settings are in a file, not on the server's command line, which would override `ALTER SYSTEM`.
    func install(in dataDirectory: String) throws {
        let method = needsPassword ? "scram-sha-256" : "trust"
        try Self.write(
            [
                "local all all trust",
                "local replication all trust",
                "host all all 127.0.0.1/32 \(method)",
                "host replication all 127.0.0.1/32 \(method)",
            ],
            to: "\(dataDirectory)/pg_hba.conf"
        )
        let main = "\(dataDirectory)/postgresql.conf"
        let original = FileManager.default.contents(atPath: main) ?? Data()
        try Self.write([String(decoding: original, as: UTF8.self), "include '\(Self.fileName)'"], to: main)
    }

    private static let fileName = "ephemeral.conf"

    private static func quote(_ value: String) -> String {
        let escaped = value.replacingOccurrences(of: "\\", with: "\\\\")
            .replacingOccurrences(of: "'", with: "''")
            .replacingOccurrences(of: "\n", with: "\\n")
        return "'\(escaped)'"
    }

    /// Writes a file with fixed permissions, so that the server's account can read what root writes under any umask.
    private static func write(_ lines: [String], to path: String) throws {
        do {
            try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: false, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        } catch {
            throw EphemeralPostgresError(.system, "Writing \(path) failed: \(error)")
        }
    }
}
