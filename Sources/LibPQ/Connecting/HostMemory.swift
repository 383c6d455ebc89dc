/// Which hosts have failed not long ago. They are tried after the others, not left out.
package final class HostMemory: Sendable {
    private static let lifetime = Duration.seconds(60)

    private let failures = Locked<[String: ContinuousClock.Instant]>([:])

    package init() {}

    package func noteFailure(of host: String) {
        failures.withLock { $0[host] = .now }
    }

    func noteSuccess(of host: String) {
        failures.withLock { $0[host] = nil }
    }

    /// Those that have not failed, in the order in which they are given, then the others: the one that failed last comes last.
    func order<Host>(_ hosts: [Host], _ name: (Host) -> String) -> [Host] {
        let failures = failures.withLock { failures in
            failures = failures.filter { $0.value.duration(to: .now) < Self.lifetime }
            return failures
        }
        let good = hosts.filter { failures[name($0)] == nil }
        let bad = hosts.compactMap { host in failures[name(host)].map { (host, $0) } }.sorted { $0.1 < $1.1 }.map(\.0)
        return good + bad
    }
}
