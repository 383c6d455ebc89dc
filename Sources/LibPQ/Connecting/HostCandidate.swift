/// One address of one host that a connection string names.
struct HostCandidate: Sendable {
    /// Take precedence over the string.
    let keywords: [(keyword: String, value: String)]
    /// For messages, and to identify the host.
    let name: String

    /// The hosts of the string, all together.
    static let unspecified = HostCandidate(keywords: [], name: "the default host")
}

/// One entry of a connection string's lists of hosts, their addresses and ports.
package struct HostEntry: Sendable {
    let host: String
    /// Given by the string; the host's name is not looked up then.
    let address: String
    let port: String
    /// Where it stands in the lists.
    let index: Int

    var name: String { "\"\(host.isEmpty ? address : host)\", port \(port)" }

    /// Whether it is the name of a host whose addresses are to be found out.
    package var isName: Bool { address.isEmpty && !host.isEmpty && !host.hasPrefix("/") && !host.hasPrefix("@") }

    /// - Parameter address: One of the host's.
    func candidate(at address: String) -> HostCandidate {
        // The host's name stays, since certificates, .pgpass and Kerberos need it.
        let host = host.isEmpty ? address : host
        return HostCandidate(
            keywords: [("host", host), ("hostaddr", address), ("port", port)],
            name: host == address ? "\"\(host)\", port \(port)" : "\"\(host)\" (\(address)), port \(port)"
        )
    }
}
