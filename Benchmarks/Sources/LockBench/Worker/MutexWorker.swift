/// Measures the handoff between tasks without a server, as an upper limit.
struct MutexWorker {
    let measurement: Measurement

    func handoff(_ mutex: some InMemoryMutex, tasks: Int) async throws -> [String: Double] {
        try await measurement.run(tasks: tasks) { _ in
            await mutex.lock()
            await mutex.unlock()
        }
    }
}
