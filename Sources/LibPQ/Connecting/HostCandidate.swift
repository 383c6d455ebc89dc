/// One host of those that a connection string leads to, and one address where it has several.
struct HostCandidate: Sendable {
    /// Win over what the string says.
    let keywords: [(keyword: String, value: String)]
    /// For people, and to tell it from others.
    let name: String

    /// What the string says, as it stands.
    static let unspecified = HostCandidate(keywords: [], name: "the default host")
}

/// One entry of a connection string's lists of hosts, their addresses and ports.
package struct HostEntry: Sendable {
    let host: String
    /// Given by the string; then the host's name is not looked up.
    let address: String
    let port: String
    /// Where it stands in the lists.
    let index: Int

    var name: String { "\"\(host.isEmpty ? address : host)\", port \(port)" }

    /// Whether it is the name of a host whose addresses are to be found out.
    package var isName: Bool { address.isEmpty && !host.isEmpty && !host.hasPrefix("/") && !host.hasPrefix("@") }

    /// - Parameter address: One of the host's.
    func candidate(at address: String) -> HostCandidate {
        // The host's name stays: certificates, .pgpass and Kerberos go by it.
        let host = host.isEmpty ? address : host
        return HostCandidate(
            keywords: [("host", host), ("hostaddr", address), ("port", port)],
            name: host == address ? "\"\(host)\", port \(port)" : "\"\(host)\" (\(address)), port \(port)"
        )
    }
}
