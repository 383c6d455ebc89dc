#if ServiceLifecycleSupport
    public import ServiceLifecycle

    extension LeaderElection: Service {
        nonisolated(nonsending) func withStopOnGracefulShutdown(_ body: nonisolated(nonsending) () async throws -> Void) async throws {
            try await withGracefulShutdownHandler {
                try await body()
            } onGracefulShutdown: {
                self.stop()
            }
        }
    }
#else
    extension LeaderElection {
        func withStopOnGracefulShutdown(_ body: () async throws -> Void) async throws { try await body() }
    }
#endif
