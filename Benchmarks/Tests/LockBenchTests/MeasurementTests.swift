import Foundation
import Testing

@testable import lock_bench

@Suite
struct MeasurementTests {
    @Test("the rate and the times of each pair come from what a worker prints")
    func workers() throws {
        let costs = try Costs(worker: ["pairs": 20_000, "seconds": 2, "client": 0.5, "server": 0.75])
        #expect(costs.metrics == ["rate": 10_000, "client": 25, "server": 37.5])
        #expect(throws: BenchError.self) { try Costs(worker: ["pairs": 1]) }
        #expect(throws: BenchError.self) { try Costs(worker: ["pairs": 1, "seconds": 0]) }
    }

    @Test("times that were not measured have no metric, and no pairs have no time")
    func missingTimes() {
        #expect(Costs(pairs: 10, seconds: 1, client: nil, server: nil).metrics == ["rate": 10])
        #expect(Costs(pairs: 0, seconds: 1, client: 1, server: 1).metrics == ["rate": 0])
    }

    @Test("clients that run at the same time add up, but each has measured the whole server")
    func concurrentClients() {
        let one = Costs(pairs: 1000, seconds: 2, client: 0.5, server: 1.5)
        let other = Costs(pairs: 3000, seconds: 2, client: 0.3, server: 1.4)
        #expect(Costs(concurrent: [one, other]) == Costs(pairs: 4000, seconds: 2, client: 0.8, server: 1.5))
        #expect(Costs(concurrent: [one, Costs(pairs: 1, seconds: 2, client: nil, server: nil)]).client == nil)
    }

    @Test("a pair of two commands takes the time of both, however often each was measured")
    func halves() {
        let set = Costs(pairs: 1000, seconds: 0.5, client: 0.25, server: 0.125)
        let delete = Costs(pairs: 500, seconds: 0.75, client: 0.25, server: nil)
        // 0.5 ms and 1.5 ms.
        let pair = Costs(halves: set, delete)
        #expect(pair.rate == 500)
        #expect(pair.metrics == ["rate": 500, "client": 750])
    }

    @Test("a percentile is the smallest value that enough values do not exceed")
    func percentiles() {
        let values = (1...100).map(Double.init).shuffled()
        #expect(Percentile.of(values, 0.5) == 50)
        #expect(Percentile.of(values, 0.99) == 99)
        #expect(Percentile.of(values, 1) == 100)
        #expect(Percentile.of([7], 0.99) == 7)
        #expect(Percentile.of([1, 2, 3], 0.5) == 2)
        #expect(Percentile.of([], 0.5) == nil)
    }

    @Test("handovers are given in microseconds, and a grant before the release is an error")
    func handovers() throws {
        let times = try Handover.summary([3000, 1000, 2000])
        #expect(times == ["p50": 2, "p99": 3, "count": 3])
        #expect(throws: BenchError.self) { try Handover.summary([]) }
        #expect(throws: BenchError.self) { try Handover.summary([1000, -5]) }
    }

    @Test("pgbench's count of transactions and its rate without connecting are read")
    func pgbench() throws {
        let text = """
            pgbench (15.18)
            transaction type: one-pair.sql
            number of transactions actually processed: 24690
            number of failed transactions: 0 (0.000%)
            latency average = 0.081 ms
            initial connection time = 2.345 ms
            tps = 12345.678901 (without initial connection time)
            """
        let output = try #require(PgbenchOutput(parsing: text))
        #expect(output.transactions == 24_690)
        #expect(output.rate == 12_345.678901)
        #expect(PgbenchOutput(parsing: "pgbench: error: connection failed") == nil)
    }

    @Test("redis-benchmark's rate is read behind its progress, whose rates don't count")
    func redisBenchmark() {
        let output = """
            SET lock:__rand_int__ t NX PX 600000: rps=0.0 (overall: nan) avg_msec=nan\r\
            SET lock:__rand_int__ t NX PX 600000: 13333.33 requests per second, p50=0.063 msec                    \n
            """
        #expect(RedisBenchmark.rate(in: output) == 13_333.33)
        #expect(RedisBenchmark.rate(in: "Could not connect to Redis at 127.0.0.1:6379: Connection refused") == nil)
    }

    @Test("a client and a server are bound to one core or to two, and an impossible place is told")
    func places() throws {
        let one = try #require(Surroundings.oneCore.places(among: [2, 5]))
        #expect(one == ([2], [2]))
        let two = try #require(Surroundings.twoCores.places(among: [2, 5]))
        #expect(two == ([2], [5]))
        #expect(Surroundings.free.places(among: [2, 5]) == nil)
        #expect(Surroundings.awake.places(among: [2, 5]) == nil)
        #expect(Surroundings.twoCores.places(among: [2]) == nil)
        #expect(Surroundings.free.obstacle(cores: [], hasTools: false) == nil)
        #expect(Surroundings.awake.obstacle(cores: [2], hasTools: false) != nil)
        #expect(Surroundings.awake.obstacle(cores: [2], hasTools: true) == nil)
        #expect(Surroundings.twoCores.obstacle(cores: [2], hasTools: true) != nil)
    }

    @Test("tasks that never suspend and occupy all threads end with the measurement", .timeLimit(.minutes(1)))
    func busyTasks() async throws {
        let values = try await Measurement(seconds: 0.2).run(tasks: ProcessInfo.processInfo.activeProcessorCount) { _ in }
        #expect(values["pairs"] != nil)
        #expect((values["seconds"] ?? 0) >= 0.2)
    }
}
