/// What a worker has to do.
struct WorkerAssignment: Sendable {
    let run: Int
    let isLocked: Bool
    /// The number of additions; `nil` for as many as there is time for.
    let rounds: Int?

    /// The command line, after the program's name.
    func arguments(worker: Int) -> [String] {
        var arguments = [DemoWorkerCommand.name, "--run", "\(run)", "--worker", "\(worker)"]
        if isLocked { arguments.append("--locked") }
        if let rounds { arguments += ["--additions", "\(rounds)"] }
        return arguments
    }
}
