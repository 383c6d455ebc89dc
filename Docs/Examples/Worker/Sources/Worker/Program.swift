import Configuration
import Logging
import PostgresLock
import ServiceLifecycle

@main
struct Program {
    static func main() async throws {
        let config = ConfigReader(provider: EnvironmentVariablesProvider())
        let logger = Logger(label: "worker")
        var configuration = try LockManager.Configuration(config: config.scoped(to: "locks"))
        // At SIGTERM tasks that wait end at once, and those that work end their round.
        configuration.endsWaitsOnGracefulShutdown = true
        let locks = try LockManager(configuration: configuration, logger: logger)
        let worker = Worker(locks: locks, tasks: config.int(forKey: "worker.tasks", default: 1000), logger: logger)
        // The manager comes first, so it ends last.
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: locks),
                    .init(service: worker, successTerminationBehavior: .gracefullyShutdownGroup),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: logger
            )
        )
        try await group.run()
    }
}
