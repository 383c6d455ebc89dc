import CLibPQ

// The hosts that a connection string names.
extension ConnectionParameters {
    /// The hosts of the string, the environment or a service file: lists of names, of addresses, or of both.
    package struct Hosts {
        package let entries: [HostEntry]
        /// Whether the order is random: `load_balance_hosts` of libpq 16 and later.
        let isRandom: Bool
        /// Whether there is a list of addresses. libpq offers no way to override it for one host without an address.
        let hasAddresses: Bool
    }

    /// - Returns: `nil` if libpq is to choose the host, since none is named, or to refuse lists that don't match.
    package func hostList() -> Hosts? {
        guard server.isEmpty, let options = options() else { return nil }
        let hosts = Self.list(options["host"])
        let addresses = Self.list(options["hostaddr"])
        let ports = Self.list(options["port"])
        let count = max(hosts.count, addresses.count)
        guard count > 0, hosts.isEmpty || hosts.count == count, addresses.isEmpty || addresses.count == count,
            ports.count <= 1 || ports.count == count
        else { return nil }
        let entries = (0..<count).map { index in
            let port = ports.isEmpty ? "" : ports[ports.count == 1 ? 0 : index]
            return HostEntry(
                host: hosts.isEmpty ? "" : hosts[index],
                address: addresses.isEmpty ? "" : addresses[index],
                port: port.isEmpty ? "5432" : port,
                index: index
            )
        }
        return Hosts(entries: entries, isRandom: options["load_balance_hosts"] == "random", hasAddresses: !addresses.isEmpty)
    }

    /// Whether there may be several hosts.
    package var isSeveralHosts: Bool { (hostList()?.entries.count ?? 1) > 1 }

    private static func list(_ value: String?) -> [String] {
        guard let value, !value.isEmpty else { return [] }
        return value.split(separator: ",", omittingEmptySubsequences: false).map { String($0.filter { $0 != " " }) }
    }

    /// All options in effect.
    ///
    /// libpq reads service files only when it makes a connection. This one fails before it begins, since its `sslmode` does not exist.
    private func options() -> [String: String]? {
        let keywords = keywords() + [("sslmode", "none of libpq's")]
        let pointer = CStringArray.with(keywords.map(\.keyword), keywords.map(\.value)) { PQconnectStartParams($0, $1, 1) }
        guard let pointer else { return nil }
        defer { PQfinish(pointer) }
        guard PQstatus(pointer) == CONNECTION_BAD, PQsocket(pointer) < 0, let list = PQconninfo(pointer) else { return nil }
        return Dictionary(uniqueKeysWithValues: Self.take(list).compactMap { keyword, value in value.map { (keyword, $0) } })
    }
}
