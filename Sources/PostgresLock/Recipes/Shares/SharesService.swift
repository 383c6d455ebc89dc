#if ServiceLifecycleSupport
    public import ServiceLifecycle

    /// A service that works on its part of the shares: ``LockManager/withShares(of:count:_:)`` until the graceful shutdown of its group.
    ///
    /// When that begins, the other members take over, and the bodies are cancelled after about a second. Name the ``LockManager`` before this
    /// service in the group, so that it ends after it.
    public struct SharesService: Service {
        private let name: String
        private let count: Int
        private let locks: LockManager
        private let body: ShareMember.Body

        /// - Parameters:
        ///   - name: As for ``LockManager/withShares(of:count:_:)``.
        ///   - count: As for ``LockManager/withShares(of:count:_:)``.
        ///   - locks: Where the locks are.
        ///   - body: Works on one share until it is cancelled.
        public init(
            _ name: String,
            count: Int,
            locks: LockManager,
            body: @escaping @Sendable (_ share: Int, _ lock: HeldLock) async throws -> Void
        ) {
            self.name = name
            self.count = count
            self.locks = locks
            self.body = body
        }

        /// Works on shares until the group shuts down gracefully, or the task is cancelled.
        ///
        /// - Throws: As ``LockManager/withShares(of:count:_:)``.
        public func run() async throws {
            let member = ShareMember(locks: locks, keys: try ShareKeys(name, count: count), body: body)
            try await withGracefulShutdownHandler {
                try await member.run()
            } onGracefulShutdown: {
                member.leave()
            }
        }
    }
#endif
