/// The rate of a contender, and the processor time of each pair, handoff or grant.
struct Costs: Equatable {
    let pairs: Double
    /// The time in which they were done, in seconds.
    let seconds: Double
    /// The client's processor time for all of them, in seconds; `nil` if it was not measured.
    let client: Double?
    /// The server's processor time for all of them.
    let server: Double?

    init(pairs: Double, seconds: Double, client: Double?, server: Double?) {
        self.pairs = pairs
        self.seconds = seconds
        self.client = client
        self.server = server
    }

    /// Takes the values that a worker has printed.
    init(worker values: [String: Double]) throws {
        guard let pairs = values["pairs"], let seconds = values["seconds"], seconds > 0 else {
            throw BenchError("The worker did not print its number of pairs and its time.")
        }
        self.init(pairs: pairs, seconds: seconds, client: values["client"], server: values["server"])
    }

    /// Adds up clients that ran at the same time. Each has measured the same server, so the server's time is that of one of them.
    init(concurrent all: [Costs]) {
        let client = all.compactMap(\.client)
        self.init(
            pairs: all.reduce(0) { $0 + $1.pairs },
            seconds: all.map(\.seconds).max() ?? 0,
            client: client.count == all.count ? client.reduce(0, +) : nil,
            server: all.compactMap(\.server).max()
        )
    }

    /// Puts together two halves of a pair that were measured one after the other, `pairs` times the first half and as many times the
    /// second. Both are scaled to one pair.
    init(halves first: Costs, _ second: Costs) {
        func sum(_ value: (Costs) -> Double?) -> Double? {
            guard let one = value(first), let other = value(second), first.pairs > 0, second.pairs > 0 else { return nil }
            return one / first.pairs + other / second.pairs
        }
        self.init(pairs: 1, seconds: sum(\.seconds) ?? 0, client: sum(\.client), server: sum(\.server))
    }

    var rate: Double { seconds > 0 ? pairs / seconds : 0 }

    /// The values of the metrics.
    var metrics: [String: Double] {
        var values = ["rate": rate]
        guard pairs > 0 else { return values }
        values["client"] = client.map { $0 / pairs * 1e6 }
        values["server"] = server.map { $0 / pairs * 1e6 }
        return values
    }
}
