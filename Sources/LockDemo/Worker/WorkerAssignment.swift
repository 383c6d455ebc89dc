/// The task of a worker process.
struct WorkerAssignment: Sendable {
    let run: Int
    let isLocked: Bool
    /// The number of additions; `nil` to add until the order to stop.
    let rounds: Int?

    /// The arguments of the worker's command line.
    func arguments(worker: Int) -> [String] {
        var arguments = [DemoWorkerCommand.name, "--run", "\(run)", "--worker", "\(worker)"]
        if isLocked { arguments.append("--locked") }
        if let rounds { arguments += ["--additions", "\(rounds)"] }
        return arguments
    }
}
