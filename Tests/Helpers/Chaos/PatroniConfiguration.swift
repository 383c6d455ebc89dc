/// The configuration of one member of a cluster under Patroni, as the file that Patroni reads.
package struct PatroniConfiguration: Sendable {
    package let name: String
    /// The address for the other members, and the port of the server.
    package let address: String
    package let port: Int
    package let restPort: Int
    /// The addresses that are listened at.
    package let listens: String
    /// etcd's address and port.
    package let etcd: String
    package let folder: String
    package let binaryDirectory: String
    package let isSynchronous: Bool
    /// Whether a standby is only promoted if it has followed all promotions before.
    package let checksTimeline: Bool

    package init(
        name: String,
        address: String,
        port: Int,
        restPort: Int,
        listens: String,
        etcd: String,
        folder: String,
        binaryDirectory: String,
        isSynchronous: Bool,
        checksTimeline: Bool
    ) {
        self.name = name
        self.address = address
        self.port = port
        self.restPort = restPort
        self.listens = listens
        self.etcd = etcd
        self.folder = folder
        self.binaryDirectory = binaryDirectory
        self.isSynchronous = isSynchronous
        self.checksTimeline = checksTimeline
    }

    package var dataDirectory: String { "\(folder)/data" }

    /// A `ttl` below 20 would be raised to 20. Promotions come after `ttl`, less up to `loop_wait`.
    package var text: String {
        """
        scope: failover
        name: \(name)
        restapi: {listen: "\(listens):\(restPort)", connect_address: "\(address):\(restPort)"}
        etcd3: {hosts: "\(etcd)"}
        bootstrap:
          dcs:
            ttl: 20
            loop_wait: 2
            retry_timeout: 3
            synchronous_mode: \(isSynchronous)
            check_timeline: \(checksTimeline)
            postgresql:
              use_pg_rewind: true
              use_slots: true
              parameters: {fsync: "off", wal_log_hints: "on", max_connections: 200}
          initdb: [{encoding: UTF8}, {locale: C}, {auth: trust}, no-sync]
        postgresql:
          listen: "\(listens):\(port)"
          connect_address: "\(address):\(port)"
          data_dir: "\(dataDirectory)"
          bin_dir: "\(binaryDirectory)"
          pgpass: "\(folder)/pgpass"
          authentication:
            superuser: {username: postgres, password: unused}
            replication: {username: replicator, password: unused}
            rewind: {username: rewinder, password: unused}
          parameters: {unix_socket_directories: "\(folder)"}
          pg_hba: ["local all all trust", "host all all 0.0.0.0/0 trust", "host replication all 0.0.0.0/0 trust"]
        watchdog: {mode: "off"}

        """
    }
}
