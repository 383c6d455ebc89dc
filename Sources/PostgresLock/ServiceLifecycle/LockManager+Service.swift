#if ServiceLifecycleSupport
    import LockCore
    public import ServiceLifecycle

    // A manager locks without being run. As a service it also takes part in the graceful shutdown of its group.

    extension LockManager: Service {
        /// Waits for the graceful shutdown of the service group, then ends the manager's work as ``shutdown(gracePeriod:)`` does: new calls,
        /// and those that wait, fail with ``LockError/Code/shutDown``; bodies run to their end; then the connections are closed.
        ///
        /// How long bodies may take is the group's to decide, by its `maximumGracefulShutdownDuration`. When that is over, the group cancels
        /// its services. From then on ``Configuration/Timeouts/shutdownGrace`` applies. It also applies if the group is cancelled without a
        /// graceful shutdown.
        ///
        /// A group shuts its services down one by one, the last one first. So name the manager before the services that use it: when its
        /// turn comes, their bodies have ended. What they wait for ends with their own shutdown: see
        /// ``Configuration/endsWaitsOnGracefulShutdown``.
        ///
        /// Locks need no `run()`.
        public nonisolated func run() async {
            await driver.run()
        }
    }

    extension TransactionLockManager: Service {
        /// Waits for the graceful shutdown of the service group, then ends the manager's work: see ``LockManager/run()``.
        public func run() async {
            await driver.run()
        }
    }

    extension LockDriver {
        /// Returns when all connections are closed.
        nonisolated func run() async {
            // A cancelled task is told so by an error, and the work ends in both cases.
            try? await gracefulShutdown()
            // Not a part of this task, because its cancellation is not to end the grace period at once, while cancelled bodies still end.
            let end = Task { await shutdown(gracePeriod: .century) }
            await withTaskCancellationHandler {
                await end.value
            } onCancel: {
                Task { await shutdown(gracePeriod: configuration.timeouts.shutdownGrace) }
            }
        }
    }
#endif
