import Configuration
import CoreMetrics
import Hummingbird
import Logging
import PostgresLock
import ServiceLifecycle
import Tracing

/// An HTTP service in which no two requests, on whatever instance, work on one order at the same time.
@main
struct OrderService {
    static func main() async throws {
        let config = ConfigReader(provider: EnvironmentVariablesProvider())
        var logger = Logger(label: "orders")
        logger.logLevel = config.string(forKey: "log.level", as: Logger.Level.self, default: .info)
        // In a service of your own: the backends that you have. They come first, because a manager asks for them when it is made.
        MetricsSystem.bootstrap(LogMetrics(logger: logger))
        InstrumentationSystem.bootstrap(LogTracer(logger: logger))

        var configuration = try LockManager.Configuration(config: config.scoped(to: "locks"))
        // At SIGTERM a request that waits is answered by 503 at once. One that works on an order works on to its end.
        configuration.endsWaitsOnGracefulShutdown = true
        let locks = try LockManager(configuration: configuration, logger: logger)

        let router = Router()
        router.add(middleware: LogRequestsMiddleware(.info))
        router.add(middleware: MetricsMiddleware())
        router.add(middleware: TracingMiddleware())
        router.add(middleware: LockErrors())
        router.get("health") { _, _ in HTTPResponse.Status.ok }
        Orders(locks: locks).add(to: router)
        let application = Application(
            router: router,
            configuration: ApplicationConfiguration(reader: config.scoped(to: "http")),
            logger: logger
        )

        // The manager comes first, so it ends last: after the requests.
        var group = ServiceGroupConfiguration(
            services: [locks, application],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        // Work that has not ended by then is cancelled.
        group.maximumGracefulShutdownDuration = .seconds(20)
        try await ServiceGroup(configuration: group).run()
    }
}
