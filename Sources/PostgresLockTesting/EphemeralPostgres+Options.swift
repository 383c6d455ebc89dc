extension EphemeralPostgres {
    /// How a throwaway server is set up.
    ///
    /// Printing the options does not print the password.
    public struct Options: Sendable {
        /// Server settings, as in `postgresql.conf`, for example `["max_locks_per_transaction": "10"]`.
        ///
        /// They win over the defaults of ``EphemeralPostgres``. Where the server listens is not for settings to say:
        /// `port`, `listen_addresses`, `unix_socket_directories`, `data_directory`, `config_file` and `hba_file` are
        /// refused.
        public var settings: [String: String]

        /// Whether the server listens on a free TCP port of the loopback interface (127.0.0.1) too. By default it is
        /// reached by its Unix socket alone.
        public var listensOnTCP: Bool

        /// When set, connections over TCP need this password, for the user `postgres`, by `scram-sha-256`. Connections
        /// over the Unix socket never need one. By default none do.
        public var password: String?

        /// The folder that holds `initdb` and `postgres`. By default, it is searched for: the environment variable
        /// `PGLOCK_POSTGRES_BIN`, the folders of `PATH`, then the usual places, the highest version first.
        public var binaryDirectory: String?

        /// Whether this server's data directory is made by an `initdb` of its own, which takes a second more.
        ///
        /// By default the servers of one process are copies of one fresh cluster, and share its *system identifier*.
        /// Set this for a test that tells servers apart by it.
        public var hasOwnSystemIdentifier: Bool

        /// Creates options.
        ///
        /// - Parameters:
        ///   - settings: Server settings, as in `postgresql.conf`.
        ///   - listensOnTCP: Whether the server listens on the loopback interface too.
        ///   - password: The password that connections over TCP need, if any.
        ///   - binaryDirectory: The folder that holds `initdb` and `postgres`; nil to search for it.
        ///   - hasOwnSystemIdentifier: Whether the server is set apart from the others by its system identifier.
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
    /// The options, the password masked.
    public var description: String {
        """
        settings: \(settings), listensOnTCP: \(listensOnTCP), password: \(password == nil ? "none" : "set"), \
        binaryDirectory: \(binaryDirectory ?? "searched for"), hasOwnSystemIdentifier: \(hasOwnSystemIdentifier)
        """
    }

    /// The options, the password masked.
    public var debugDescription: String { description }

    /// The options, the password masked: what `dump` and test failures show.
    public var customMirror: Mirror {
        Mirror(self, children: ["options": description])
    }
}
