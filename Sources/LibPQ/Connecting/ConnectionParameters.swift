import CLibPQ

/// Where to connect, and as which user. libpq parses it: URLs, keyword/value strings, the `PG*` environment, `.pgpass`, service files,
/// several hosts and TLS.
package struct ConnectionParameters: Sendable {
    /// A URL or keyword/value string; empty leaves everything to the environment and libpq's defaults.
    package var string: String
    package var applicationName: String
    /// User and password take precedence over the string.
    package var user: String?
    package var password: String?
    /// How long the other side may be silent before the system closes the connection, unless the string says otherwise; `nil` for the
    /// system's own limit, which may be hours.
    package var silenceLimit: Duration?
    /// The host, its address and the port, which take precedence over those of the string.
    private(set) var server: [(keyword: String, value: String)] = []

    package init(string: String, applicationName: String) {
        self.string = string
        self.applicationName = applicationName
    }

    /// Checks that libpq can parse the string, and that no text has a zero byte.
    ///
    /// libpq quotes the string in its messages, and a password with it. So the error names the part that is wrong, and quotes nothing that may be
    /// a secret.
    package func validate() throws(ConnectionFailure) {
        // libpq would take the part before the zero byte, which is another user or another host.
        let texts: [(name: String, text: String?)] = [
            ("connection string", string), ("application name", applicationName), ("user", user), ("password", password),
        ]
        for (name, text) in texts where text?.utf8.contains(0) == true {
            throw ConnectionFailure(.badConfiguration, "the \(name) has a zero byte (U+0000) in it")
        }
        var message: UnsafeMutablePointer<CChar>?
        let options = PQconninfoParse(string, &message)
        defer {
            PQconninfoFree(options)
            PQfreemem(message)
        }
        guard options == nil else { return try checkWhatLibpqChecksLate() }
        guard let message else { throw ConnectionFailure(.badConfiguration, "out of memory") }
        let fault = ConnectionStringFault(string: string, keywords: Self.knownKeywords)
        throw ConnectionFailure(.badConfiguration, fault.text(of: String(cString: message).trimmingNewlines))
    }

    /// A part of a password with an unescaped `/` or `@` is parsed as a port or a host. libpq would find out when it connects, and print it.
    private func checkWhatLibpqChecksLate() throws(ConnectionFailure) {
        for port in value(of: "port")?.split(separator: ",") ?? [] {
            guard let number = Int(port), (1...65_535).contains(number) else {
                throw ConnectionFailure(
                    .badConfiguration,
                    "the port is not a number between 1 and 65535 (in a password, write / as %2F, and @ as %40)"
                )
            }
        }
        guard !hosts.contains(where: { $0.contains("@") && !$0.hasPrefix("/") && !$0.hasPrefix("@") }) else {
            throw ConnectionFailure(.badConfiguration, "the host has an @ in it (in a password, write it as %40)")
        }
    }

    private static var knownKeywords: Set<String> { Set(take(PQconndefaults()).map(\.keyword)) }

    /// The message without its quotations, except for those of libpq's own keywords.
    static func redact(_ message: String) -> String {
        let known = knownKeywords
        // A quotation may contain quotation marks, so everything from the first unknown one on is removed.
        let parts = message.split(separator: "\"", omittingEmptySubsequences: false)
        guard let unknown = parts.indices.first(where: { !$0.isMultiple(of: 2) && !known.contains(String(parts[$0])) }) else {
            return message
        }
        return parts[..<unknown].joined(separator: "\"") + "\"…\""
    }

    /// The same parameters for the server that a session is on. With several hosts, or several addresses of a name, another server might
    /// answer the next time.
    package func pinned(to session: BlockingSession) -> ConnectionParameters {
        let raw = session.raw
        var pinned = self
        pinned.server = [("host", PQhost(raw.pointer)), ("hostaddr", PQhostaddr(raw.pointer)), ("port", PQport(raw.pointer))]
            .map { ($0, $1.map { String(cString: $0) } ?? "") }
        return pinned
    }

    /// The names of the hosts.
    var hosts: [Substring] {
        value(of: "host")?.split(separator: ",", omittingEmptySubsequences: false) ?? []
    }

    package func value(of keyword: String) -> String? {
        // First the defaults, with the environment's values, which the string overrides.
        let options = Self.take(PQconndefaults()) + Self.take(PQconninfoParse(string, nil))
        return options.last { $0.keyword == keyword && $0.value != nil }?.value
    }

    /// Reads a list of libpq's options, and frees it.
    static func take(_ list: UnsafeMutablePointer<PQconninfoOption>?) -> [(keyword: String, value: String?)] {
        guard let list else { return [] }
        defer { PQconninfoFree(list) }
        let options = sequence(first: list) { $0 + 1 }.prefix { $0.pointee.keyword != nil }
        return options.map { (String(cString: $0.pointee.keyword), $0.pointee.val.map { String(cString: $0) }) }
    }

    /// Lets the system notice a lost network although no answer is awaited: by `tcp_user_timeout` if sent data is not acknowledged, by
    /// keepalives in silence. Neither has an effect on Unix sockets.
    private var keepalives: [(keyword: String, value: String)] {
        guard let silenceLimit else { return [] }
        // The first keepalive comes after half of the time, and the next ones after a sixth each, in seconds. Linux refuses more than 32,767
        // seconds, and libpq fails to connect then.
        let sixth = min(max(1, silenceLimit.whole(.seconds(1)) / 6), 32_767 / 3)
        return [
            ("keepalives_idle", "\(3 * sixth)"), ("keepalives_interval", "\(sixth)"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "\(silenceLimit.whole(.milliseconds(1)))"),
        ]
    }

    /// Keywords and values. Of several with the same keyword, the last one counts.
    package func keywords() -> [(keyword: String, value: String)] {
        var keywords = [("fallback_application_name", applicationName)]
        keywords += keepalives
        keywords += [("dbname", string), ("client_encoding", "UTF8")]
        if let user { keywords.append(("user", user)) }
        if let password { keywords.append(("password", password)) }
        return keywords + server
    }

    /// The lists of hosts without so many of their first entries.
    func keywords(dropping count: Int) -> [(keyword: String, value: String)] {
        guard count > 0 else { return [] }
        return ["host", "hostaddr", "port"].compactMap { keyword in
            // A single port is for all hosts.
            let list = value(of: keyword)?.split(separator: ",", omittingEmptySubsequences: false) ?? []
            return list.count > count ? (keyword, list.dropFirst(count).joined(separator: ",")) : nil
        }
    }
}
