import PostgresLock

/// Measures the time from the end of a holder's backend until its body is cancelled, and until the next holder has the lock.
struct LossWorker {
    let url: String

    static let repetitions = 20

    func run() async throws -> [String: Double] {
        let killer = try RawSession(url: url)
        let first = try LibraryWorker.manager(url)
        let second = try LibraryWorker.manager(url)
        var noticing: [Double] = []
        var succeeding: [Double] = []
        for _ in 0..<Self.repetitions {
            let (notice, success) = try await once(killer, first, second)
            noticing.append(notice / .milliseconds(1))
            succeeding.append(success / .milliseconds(1))
        }
        await first.shutdown()
        await second.shutdown()
        return ["noticing": Self.median(noticing), "succeeding": Self.median(succeeding)]
    }

    private func once(_ killer: RawSession, _ first: LockManager, _ second: LockManager) async throws -> (Duration, Duration) {
        let key = LockKey(number: 4711)
        let (holding, begun) = AsyncStream<Void>.makeStream()
        let holder = Task {
            var noticed: ContinuousClock.Instant?
            do {
                try await first.withLock(key) { _ in
                    begun.finish()
                    do {
                        try await Task.sleep(for: .seconds(30))
                    } catch {
                        noticed = .now
                        throw error
                    }
                }
            } catch let error as LockError where error.code == .lockLost {
                return noticed
            }
            throw BenchError("The holder's call did not fail with lockLost.")
        }
        for await _ in holding {}
        let next = Task {
            try await second.withLock(key) { _ in ContinuousClock.now }
        }
        try await waitForQueuedRequest(killer)
        // The backend is looked up before the measurement, because that takes the server longer than the measured steps.
        let backend = try killer.query("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")
        let start = ContinuousClock.now
        try killer.query("SELECT pg_terminate_backend(\(backend))")
        guard let noticed = try await holder.value else { throw BenchError("The body of the lost lock was not cancelled.") }
        return try await (noticed - start, next.value - start)
    }

    private func waitForQueuedRequest(_ session: RawSession) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while try session.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") != "1" {
            guard ContinuousClock.now < deadline else { throw BenchError("The second manager did not begin to wait for the lock.") }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    private static func median(_ values: [Double]) -> Double {
        values.sorted()[values.count / 2]
    }
}
