/// Measures the handoff between tasks without a server, as an upper limit.
struct MutexWorker {
    let measurement: Measurement
    /// How long a thread is busy for each handoff beside what the mutex and the runtime do, in microseconds: half before the mutex is passed on, half
    /// before the task waits for it again.
    let work: Double

    func handoff(_ mutex: some InMemoryMutex, tasks: Int) async throws -> [String: Double] {
        let half = Int64(work * 500)
        // All tasks wait before the first handoff. Otherwise the first task finds the mutex free each time, does not suspend, and on one
        // core no other task begins.
        await mutex.lock()
        async let values = measurement.run(tasks: tasks) { _ in
            await mutex.lock()
            Self.work(half)
            await mutex.unlock()
            Self.work(half)
        }
        while await mutex.waitingTasks < tasks { try await Task.sleep(for: .milliseconds(1)) }
        await mutex.unlock()
        return try await values
    }

    private static func work(_ nanoseconds: Int64) {
        guard nanoseconds > 0 else { return }
        let end = Monotonic.now() + nanoseconds
        while Monotonic.now() < end {}
    }
}
