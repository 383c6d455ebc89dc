/// Remembers which hosts have failed recently. They are tried after the others.
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

    /// The hosts that have not failed, in the given order, then the others, in the order of their failures.
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
