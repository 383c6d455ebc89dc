/// Measures the handoff between tasks without a server, as an upper limit.
struct MutexWorker {
    let measurement: Measurement

    func handoff(_ mutex: some InMemoryMutex, tasks: Int) async throws -> [String: Double] {
        // All tasks wait before the first handoff. Otherwise the first task finds the mutex free each time, does not suspend, and on one
        // core no other task begins.
        await mutex.lock()
        async let values = measurement.run(tasks: tasks) { _ in
            await mutex.lock()
            await mutex.unlock()
        }
        while await mutex.waitingTasks < tasks { try await Task.sleep(for: .milliseconds(1)) }
        await mutex.unlock()
        return try await values
    }
}
