import ChildProcesses

/// Redis's own load generator, which repeats one command. A pair of lock and unlock is two commands, so each is measured for half of the
/// time, and their times are added.
struct RedisBenchmark {
    let redis: RedisServer
    let clients: Int
    /// The number of commands that a client sends at once.
    let pipeline: Int
    let transport: Transport

    /// How its pairs are counted, for the reader of a table.
    static let note = """
        redis-benchmark repeats one command, and a pair is two: SET key value NX PX, and EVALSHA of the script that deletes the key if it has \
        the value. So each is measured for half of the time, and a pair's time is the sum of both. At least four in five of the scripts find \
        their key.
        """

    private static let token = "0123456789abcdef"
    private static let expiry = "600000"
    /// So many keys that hardly a SET finds its key taken.
    private static let manyKeys = 2_000_000_000
    private static let mostKeys = 1_000_000
    /// The part of the keys that are looked for. Each is chosen at random, so that then five in six are still there.
    private static let wantedPart = 0.4

    func measure(_ stage: Stage) async throws -> Costs {
        let seconds = stage.plan.seconds / 2
        try await redis.run(["FLUSHALL", "SYNC"])
        let probe = try await lock(count: 1000 * min(pipeline, 20), stage)
        let locks = try await lock(count: max(1000, Int(probe.rate * seconds)), stage)
        guard try await redis.keys() > Int(locks.pairs * 0.9) else { throw BenchError("Redis did not take the locks.") }

        let calls = min(max(1000, Int(locks.rate * seconds)), Int(Double(Self.mostKeys) * Self.wantedPart))
        let keys = min(10 * calls, Self.mostKeys)
        try await redis.run(["FLUSHALL", "SYNC"])
        // redis-benchmark writes numbers of 12 digits.
        let fill = "for i=0,ARGV[1]-1 do redis.call('SET',string.format('lock:%012d',i),ARGV[2],'PX',ARGV[3]) end"
        try await redis.run(["EVAL", fill, "0", "\(keys)", Self.token, Self.expiry])
        let release = ["EVALSHA", redis.releaseScript, "1", "lock:__rand_int__", Self.token]
        let unlocks = try await run(release, count: calls, keys: keys, stage)
        guard try await keys - redis.keys() > Int(unlocks.pairs * 0.8) else { throw BenchError("Redis did not release the locks.") }
        try await redis.run(["FLUSHALL", "SYNC"])
        return Costs(halves: locks, unlocks)
    }

    private func lock(count: Int, _ stage: Stage) async throws -> Costs {
        let command = ["SET", "lock:__rand_int__", Self.token, "NX", "PX", Self.expiry]
        return try await run(command, count: count, keys: Self.manyKeys, stage)
    }

    private func run(_ command: [String], count: Int, keys: Int, _ stage: Stage) async throws -> Costs {
        let options = ["-q", "-c", "\(clients)", "-P", "\(pipeline)", "-n", "\(count)", "-r", "\(keys)"]
        let run = try await stage.runMeasured(
            "redis-benchmark",
            redis.options(transport) + options + command,
            against: .redis(transport)
        )
        guard let rate = Self.rate(in: run.result.output) else {
            throw BenchError("redis-benchmark did not print its rate: \(run.result.output.suffix(200)) \(run.result.error.suffix(200))")
        }
        return Costs(pairs: Double(count), seconds: Double(count) / rate, client: run.client, server: run.server)
    }

    /// The requests per second in what it prints with `-q`: progress with carriage returns, then "SET …: 12345.67 requests per second, …".
    static func rate(in output: String) -> Double? {
        guard let match = output.firstMatch(of: #/: ([0-9.]+) requests per second/#), let rate = Double(match.output.1), rate > 0 else {
            return nil
        }
        return rate
    }
}

extension Contender {
    static func redisBenchmark(
        _ id: String,
        _ title: String,
        clients: Int,
        pipeline: Int,
        _ transport: Transport = .socket
    ) -> Contender {
        Contender(id, title, needs: [.redis]) { stage in
            let redis = try stage.require(stage.redis)
            return try await RedisBenchmark(redis: redis, clients: clients, pipeline: pipeline, transport: transport).measure(stage).metrics
        }
    }
}
