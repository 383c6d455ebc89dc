import PostgresLock

/// How busy a worker is, and its limits of time.
struct WorkerProfile: Sendable {
    let tasks: Int
    /// The recipes that it uses at the same time.
    let recipes: [@Sendable (RecipeTask) async -> Void]
    /// The pause after each call, in milliseconds.
    let pause: ClosedRange<Int>
    /// Whether it notes which server has granted the lock of a transaction.
    let notesTimelines: Bool
    let timeouts: LockManager.Configuration.Timeouts

    /// For one server, on which faults follow one another without a pause.
    static let chaos = WorkerProfile(
        tasks: 8,
        recipes: RecipeTask.allRecipes,
        pause: 0...0,
        notesTimelines: false,
        timeouts: timeouts(response: .seconds(3))
    )

    /// For servers that fail over, next to which other processes need the processor. A silent server is waited for as long as the lease allows. There
    /// are no jobs: the record of their runs is in the database that fails over.
    static let failover = WorkerProfile(
        tasks: 4,
        recipes: RecipeTask.lockRecipes,
        pause: 20...200,
        notesTimelines: true,
        timeouts: timeouts(response: LockManager.Configuration.Timeouts().response, commit: .seconds(5))
    )

    private static func timeouts(response: Duration, commit: Duration? = nil) -> LockManager.Configuration.Timeouts {
        var timeouts = LockManager.Configuration.Timeouts()
        timeouts.connect = .seconds(2)
        timeouts.unreachable = .seconds(4)
        timeouts.response = response
        timeouts.nested = .seconds(5)
        if let commit { timeouts.commit = commit }
        return timeouts
    }
}
