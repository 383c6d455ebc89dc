/// Finds a suitable host among all that a connection string names.
///
/// libpq tries the next host when one refuses the connection, but not when one does not answer, nor when one is unsuitable for locks. So
/// each address of each host is tried by a connection of its own, with a share of the time.
package struct HostSearch: Sendable {
    package let parameters: ConnectionParameters
    /// For names and hosts.
    package let limit: Duration
    package let attempt: ConnectAttempt
    private let lookup: HostLookup
    private let memory: HostMemory
    package let onNotice: @Sendable (ServerError) -> Void
    private let onExhausted: @Sendable ([ConnectionFailure]) -> Void

    /// - Parameter onExhausted: Called with the failure of each host, if none is suitable.
    package init(
        parameters: ConnectionParameters,
        limit: Duration,
        attempt: ConnectAttempt = ConnectAttempt(),
        lookup: HostLookup = HostLookup(),
        memory: HostMemory = HostMemory(),
        onNotice: @escaping @Sendable (ServerError) -> Void = { _ in },
        onExhausted: @escaping @Sendable ([ConnectionFailure]) -> Void = { _ in }
    ) {
        self.parameters = parameters
        self.limit = limit
        self.attempt = attempt
        self.lookup = lookup
        self.memory = memory
        self.onNotice = onNotice
        self.onExhausted = onExhausted
    }

    /// - Parameter accept: Checks a host that has answered. Its session is limited to the rest of the host's share of the time.
    /// - Returns: The result of `accept` for the first suitable host.
    /// - Throws: The combined failures of all hosts.
    package func run<Found>(_ accept: (BlockingSession) throws(ConnectionFailure) -> Found) throws(ConnectionFailure) -> Found {
        try parameters.validate()
        var time = SearchTime(limit: limit)
        guard let hosts = parameters.hostList() else {
            attempt.begin(.dialing, within: limit)
            do throws(ConnectionFailure) {
                return try accept(dial(.unspecified, until: time.end))
            } catch {
                onExhausted([error])
                throw error
            }
        }
        let entries = memory.order(hosts.isRandom ? hosts.entries.shuffled() : hosts.entries, \.name)
        var failures: [(name: String, failure: ConnectionFailure)] = []
        for (place, entry) in entries.enumerated() {
            attempt.begin(.dialing, within: time.remaining)
            let end = time.share(of: entries.count - place, until: time.end)
            do throws(ConnectionFailure) {
                let candidates = try candidates(entry, hosts, until: end)
                let before = failures.count
                for (place, candidate) in candidates.enumerated() {
                    attempt.begin(.dialing, within: time.remaining)
                    let end = time.share(of: candidates.count - place, until: min(end + time.spent, time.end))
                    do throws(ConnectionFailure) {
                        let session = try dial(candidate, until: end)
                        session.raw.session.hostNames = [candidate.name, entry.name]
                        let began = ContinuousClock.now
                        // The time of the checks does not count for the next hosts.
                        defer { time.extend(by: began.duration(to: .now)) }
                        let found = try accept(session)
                        memory.noteSuccess(of: candidate.name)
                        memory.noteSuccess(of: entry.name)
                        return found
                    } catch {
                        guard error.kind != .abandoned else { throw error }
                        memory.noteFailure(of: candidate.name)
                        failures.append((candidate.name, error))
                        // The host would refuse at its other addresses, too, and may count refused logins.
                        guard error.kind != .authentication else { break }
                    }
                }
                if failures.count > before { memory.noteFailure(of: entry.name) }
            } catch {
                guard error.kind != .abandoned else { throw error }
                memory.noteFailure(of: entry.name)
                failures.append((entry.name, error))
            }
        }
        onExhausted(failures.map(\.failure))
        throw ConnectionFailure(of: failures)
    }

    private func candidates(
        _ entry: HostEntry,
        _ hosts: ConnectionParameters.Hosts,
        until end: ContinuousClock.Instant
    ) throws(ConnectionFailure) -> [HostCandidate] {
        guard entry.isName else {
            guard entry.address.isEmpty else { return [entry.candidate(at: entry.address)] }
            // A Unix socket. An empty value does not replace another one, so libpq chooses among the lists then.
            let keywords =
                hosts.hasAddresses || entry.host.isEmpty
                ? parameters.keywords(dropping: entry.index) : [("host", entry.host), ("port", entry.port)]
            return [HostCandidate(keywords: keywords, name: entry.name)]
        }
        let addresses = try lookup.addresses(of: entry.host, deadline: deadline(until: end), until: end)
        let candidates = (hosts.isRandom ? addresses.shuffled() : addresses).map(entry.candidate)
        return memory.order(candidates, \.name)
    }

    private func dial(_ candidate: HostCandidate, until end: ContinuousClock.Instant) throws(ConnectionFailure) -> BlockingSession {
        let deadline = deadline(until: end)
        let keywords = parameters.keywords() + candidate.keywords
        return BlockingSession(try Dialing(keywords: keywords, deadline: deadline, onNotice: onNotice).run(), deadline: deadline)
    }

    private func deadline(until end: ContinuousClock.Instant) -> ConnectDeadline {
        ConnectDeadline(deadline: end, attempt: attempt)
    }
}

/// The time limit of a search, which excludes the time of checks.
private struct SearchTime {
    private(set) var end: ContinuousClock.Instant
    /// The time of the checks.
    private(set) var spent = Duration.zero

    init(limit: Duration) {
        end = .now + limit
    }

    var remaining: Duration { ContinuousClock.now.duration(to: end) }

    /// The end of the first of so many equal shares.
    func share(of count: Int, until end: ContinuousClock.Instant) -> ContinuousClock.Instant {
        count > 1 ? .now + ContinuousClock.now.duration(to: end) / count : end
    }

    mutating func extend(by duration: Duration) {
        end += duration
        spent += duration
    }
}
