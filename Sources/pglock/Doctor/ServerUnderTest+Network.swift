import LibPQ

// Checks of the connection to the server.
extension ServerUnderTest {
    var encryption: Finding {
        if let encryption = session.encryption { return Finding(.encryption, .ok, encryption) }
        guard !session.isLocal else { return Finding(.encryption, .ok, "none, on this machine") }
        return Finding(
            .encryption,
            .warning,
            "none: others on the network can read and change what is sent",
            advice: "Add sslmode=verify-full to the URL, and set up the server's certificate."
        )
    }

    func keepalives() throws(ConnectionFailure) -> Finding {
        guard !session.isUnixSocket else {
            return Finding(.keepalives, .ok, "a Unix socket: the server notices a client's end at once")
        }
        // The server's own, in seconds; 0 where the system has none.
        let numbers = try values(
            """
            SELECT pg_catalog.current_setting('tcp_keepalives_idle'), pg_catalog.current_setting('tcp_keepalives_interval'),
                pg_catalog.current_setting('tcp_keepalives_count')
            """
        ).map { $0.flatMap { Int($0) } ?? 0 }
        let time = numbers[0] + numbers[1] * numbers[2]
        let finding = "the server notices after \(time) s that a client's machine is gone"
        // A server of version 14 or later ends silent sessions by the library's lease.
        guard session.serverVersion < 140_000, time > 600 || time == 0 else {
            return Finding(.keepalives, .ok, finding + (session.serverVersion >= 140_000 ? ", or when the lease is over" : ""))
        }
        return Finding(
            .keepalives,
            .warning,
            finding,
            advice: "Until then its locks stay locked. Lower tcp_keepalives_idle, for instance to 60."
        )
    }

    func roundTrip() throws(ConnectionFailure) -> Finding {
        var times: [Duration] = []
        for _ in 0..<9 {
            let began = ContinuousClock.now
            _ = try ask("SELECT 1")
            times.append(ContinuousClock.now - began)
        }
        let median = times.sorted()[times.count / 2]
        guard median > .milliseconds(20) else { return Finding(.roundTrip, .ok, "\(median.text) in the median of \(times.count)") }
        return Finding(
            .roundTrip,
            .warning,
            "\(median.text) in the median of \(times.count)",
            advice: "Taking and releasing a lock takes two of these. Use a server that is nearer, or less busy."
        )
    }
}
