/// The servers of other products that take part in a run.
struct OtherServers: Sendable {
    let redis: RedisServer?
    let etcd: EtcdServer?

    /// Starts the servers that are needed, runs a body, and ends them.
    ///
    /// - Parameters:
    ///   - missing: What is missing so far. The body gets it with the servers that could not be started.
    static func running<Result>(
        _ needs: Set<Need>,
        missing: [String],
        _ body: (OtherServers, [String]) async throws -> Result
    ) async throws -> Result {
        var missing = missing
        let redis = try await start("Redis", when: needs.contains(.redis), &missing, RedisServer.start)
        let etcd: EtcdServer?
        do {
            etcd = try await start("etcd", when: needs.contains(.etcd), &missing, EtcdServer.start)
        } catch {
            await redis?.stop()
            throw error
        }
        let result: Swift.Result<Result, any Error>
        do {
            result = .success(try await body(OtherServers(redis: redis, etcd: etcd), missing))
        } catch {
            result = .failure(error)
        }
        await redis?.stop()
        await etcd?.stop()
        return try result.get()
    }

    private static func start<Server>(
        _ name: String,
        when isNeeded: Bool,
        _ missing: inout [String],
        _ start: () async throws -> Server
    ) async throws -> Server? {
        guard isNeeded else { return nil }
        do {
            return try await start()
        } catch {
            try Task.checkCancellation()
            missing.append("\(name): \(error)")
            return nil
        }
    }
}
