#if ServiceLifecycleSupport
    import LockCore
    import ServiceLifecycle

    extension LockDriver {
        /// Whether a wait that begins here ends with the graceful shutdown of its service.
        ///
        /// Not in the body of a scope: the body is to run to its end, and may need further locks for that.
        nonisolated func endsWait(_ timeout: Duration?) -> Bool {
            configuration.endsWaitsOnGracefulShutdown && timeout != .zero && WaitStop.current == nil && !EnclosingLock.isInside
        }

        /// What ends the wait that this code is a part of. With the setting off, a lock costs no look at the values of its task.
        nonisolated var waitStop: WaitStop? { configuration.endsWaitsOnGracefulShutdown ? WaitStop.current : nil }

        /// Waits until the graceful shutdown of the service begins. A call that begins after that does not wait.
        ///
        /// - Parameters:
        ///   - keys: What is waited for; a connection, if there are none.
        ///   - wait: Gets the timeout that applies.
        /// - Throws: What `wait` throws; ``LockError`` with the code ``LockError/Code/shutDown`` if the shutdown has ended it.
        nonisolated(nonsending) func endingWait<Result>(
            for keys: [LockKey],
            _ timeout: Duration?,
            _ wait: nonisolated(nonsending) @Sendable (Duration?) async throws -> Result
        ) async throws -> Result {
            guard !Task.isShuttingDownGracefully else {
                do {
                    return try await WaitStop.$current.withValue(WaitStop(isLate: true)) { try await wait(.zero) }
                } catch let error as LockError where WaitStop.refusals.contains(error.code) {
                    throw stoppedWait(for: keys)
                }
            }
            let stop = WaitStop()
            do {
                return try await withGracefulShutdownHandler {
                    try await WaitStop.$current.withValue(stop) { try await wait(timeout) }
                } onGracefulShutdown: {
                    stop.send()
                }
            } catch is CancellationError where stop.isSent && !Task.isCancelled {
                throw stoppedWait(for: keys)
            }
        }

        /// Not inlined: its variables would be part of the memory of each task that waits for a lock.
        @inline(never)
        nonisolated(nonsending) func waitUntilShutdown(
            _ key: LockKey,
            _ mode: LockMode,
            _ timeout: Duration?,
            at place: QueuePlace,
            _ observation: Observation?
        ) async throws -> LockState {
            try await endingWait(for: [key], timeout) { try await waitForLock(key, mode, $0, at: place, observation) }
        }

        nonisolated func stoppedWait(for keys: [LockKey]) -> LockError {
            let subject = keys.isEmpty ? "a connection to \(databaseName)" : "\(keys.described) in \(databaseName)"
            return LockError(
                .shutDown,
                "The service shuts down gracefully, so it does not wait any more for \(subject). Nothing was done: another instance can do it.",
                keys: keys
            )
        }
    }

    extension LeadershipCampaign {
        /// Ends standing by with the graceful shutdown of the service, if waits end with it. A pause lasts a second at most, so a look behind
        /// each will do.
        mutating func endOnGracefulShutdown() {
            let (driver, lead) = (locks.driver, keys.lead)
            guard driver.endsWait(nil) else { return }
            standBy = { pause in
                try await Task.sleep(for: pause)
                if Task.isShuttingDownGracefully { throw driver.stoppedWait(for: [lead]) }
            }
        }
    }
#else
    extension LeadershipCampaign {
        mutating func endOnGracefulShutdown() {}
    }
#endif
