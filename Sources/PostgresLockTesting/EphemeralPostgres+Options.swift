extension EphemeralPostgres {
    /// The options of a temporary server.
    ///
    /// Printing the options does not print the password.
    public struct Options: Sendable {
        /// Server settings, as in `postgresql.conf`, for example `["max_locks_per_transaction": "10"]`.
        ///
        /// They override the defaults of ``EphemeralPostgres``. The settings `port`, `listen_addresses`,
        /// `unix_socket_directories`, `data_directory`, `config_file` and `hba_file` are refused, because the package sets them.
        public var settings: [String: String]

        /// Whether the server also listens on a free TCP port of the loopback interface (127.0.0.1). By default it listens only
        /// on its Unix socket.
        public var listensOnTCP: Bool

        /// The password that connections over TCP need for the user `postgres`, by `scram-sha-256`; nil for no password.
        /// Connections over the Unix socket never need a password.
        public var password: String?

        /// The folder that holds `initdb` and `postgres`. By default it is searched for in this order: the environment variable
        /// `PGLOCK_POSTGRES_BIN`, the folders of `PATH`, then the usual folders, the highest version first.
        public var binaryDirectory: String?

        /// Whether this server's data directory is created by its own `initdb`, which takes about a second more.
        ///
        /// By default the servers of one process are copies of one fresh cluster, and have the same *system identifier*.
        /// Set this for a test that distinguishes servers by their identifiers.
        public var hasOwnSystemIdentifier: Bool

        /// Creates options.
        ///
        /// - Parameters:
        ///   - settings: Server settings, as in `postgresql.conf`.
        ///   - listensOnTCP: Whether the server also listens on the loopback interface.
        ///   - password: The password that connections over TCP need, if any.
        ///   - binaryDirectory: The folder that holds `initdb` and `postgres`; nil to search for it.
        ///   - hasOwnSystemIdentifier: Whether the server's system identifier differs from those of other servers.
        public init(
            settings: [String: String] = [:],
            listensOnTCP: Bool = false,
            password: String? = nil,
            binaryDirectory: String? = nil,
            hasOwnSystemIdentifier: Bool = false
        ) {
            self.settings = settings
            self.listensOnTCP = listensOnTCP
            self.password = password
            self.binaryDirectory = binaryDirectory
            self.hasOwnSystemIdentifier = hasOwnSystemIdentifier
        }
    }
}

extension EphemeralPostgres.Options: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The options with the password masked.
    public var description: String {
        """
        settings: \(settings), listensOnTCP: \(listensOnTCP), password: \(password == nil ? "none" : "set"), \
        binaryDirectory: \(binaryDirectory ?? "searched for"), hasOwnSystemIdentifier: \(hasOwnSystemIdentifier)
        """
    }

    /// The options with the password masked.
    public var debugDescription: String { description }

    /// The options with the password masked: what `dump` and test failures show.
    public var customMirror: Mirror {
        Mirror(self, children: ["options": description])
    }
}
