#if ServiceLifecycleSupport
    public import Logging
    public import ServiceLifecycle

    /// A service that runs on one instance only, of all that have it: the one that leads the election of this name.
    ///
    /// The other instances stand by, and one of them runs the service within about a second after the former has ended, or after the lease if it
    /// is frozen. What that is worth, and where two may run for a moment, is in <doc:Leadership>.
    ///
    /// - If the lead is lost, the service is cancelled. If the leader is asked to step down (`pglock resign`), it is shut down gracefully. In
    ///   both cases it is run again when this instance leads again, so its `run()` must be callable several times.
    /// - If it returns or throws by itself, so does this service.
    /// - The graceful shutdown of the group shuts it down gracefully.
    public struct SingletonService: Service {
        private let name: String
        private let child: any Service
        private let locks: LockManager
        private let logger: Logger

        /// The child has returned, though it was not to end.
        private struct ChildHasReturned: Error {}

        /// - Parameters:
        ///   - name: The election's name: see ``LeaderElection``.
        ///   - child: What runs on one instance.
        ///   - locks: Where the lock is. Name it before this service in the group, so that it ends after it.
        ///   - logger: For the group that the child runs in.
        public init(_ name: String, of child: any Service, locks: LockManager, logger: Logger = Logger(label: "PostgresLock")) {
            self.name = name
            self.child = child
            self.locks = locks
            self.logger = logger
        }

        /// Stands by, and runs the child while this instance leads.
        ///
        /// - Throws: What the child throws, and as ``LeaderElection/run()``.
        public func run() async throws {
            let election = try LeaderElection(name, locks: locks, onStepDownRequest: .tellBody, cancelsOnLoss: true) { term in
                let group = ServiceGroup(
                    configuration: .init(
                        services: [.init(service: child, successTerminationBehavior: .gracefullyShutdownGroup)],
                        logger: logger
                    )
                )
                try await withThrowingTaskGroup { tasks in
                    tasks.addTask {
                        if await term.waitForStepDownRequest() { await group.triggerGracefulShutdown() }
                    }
                    do {
                        try await group.run()
                    } catch is CancellationError where term.isAskedToStepDown && !Task.isCancelled {
                        // So end services that cancel their work when they shut down gracefully.
                    }
                    tasks.cancelAll()
                }
                if !term.isAskedToStepDown { throw ChildHasReturned() }
            }
            do {
                try await election.run()
            } catch is ChildHasReturned {
                return
            }
        }
    }
#endif
