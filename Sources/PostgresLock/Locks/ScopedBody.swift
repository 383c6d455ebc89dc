import LibPQ

/// Runs the body of a scope in the caller's isolation, such that the loss of a lock cancels the body, but not its caller.
enum ScopedBody {
    /// Runs a body under locks, then releases them, also if the body throws.
    ///
    /// - Throws: A loss, whatever the body returned or threw; else what the body throws, or what the release does.
    static func runAndRelease<Result, View>(
        view: View,
        leases: [LockState],
        cancelsOnLoss: Bool,
        isolation: isolated (any Actor)?,
        enclosing: @Sendable @escaping () -> [EnclosingLock],
        release: nonisolated(nonsending) () async throws -> Void,
        _ body: nonisolated(nonsending) (View) async throws -> Result
    ) async throws -> Result {
        let result: Result
        do {
            result = try await run(
                view: view,
                leases: leases,
                cancelsOnLoss: cancelsOnLoss,
                isolation: isolation,
                enclosing: enclosing,
                body
            )
        } catch {
            // Looked at after the release, which may be what finds the loss: nothing tells whether that was before the body's end.
            let failure = await failure(of: release)
            throw (failure ?? leases.lazy.compactMap(\.loss).first)?.caused(by: error) ?? error
        }
        try await release()
        return result
    }

    /// Whatever ends the release also ends the locks.
    ///
    /// - Returns: Why nothing is held any more, if that is not the release's doing.
    nonisolated(nonsending) static func failure(of release: nonisolated(nonsending) () async throws -> Void) async -> LockError? {
        do {
            try await release()
            return nil
        } catch {
            return error as? LockError
        }
    }

    /// Accepts what people write: bodies on the main actor, in actors, that capture local variables and values that are
    /// not sendable, and return such. A `@Sendable` or `sending` body would refuse most of that, and a child task would
    /// leave the caller's isolation.
    ///
    /// - Parameters:
    ///   - cancelsOnLoss: Whether the loss of one of the leases cancels the body.
    ///   - enclosing: Makes what is remembered of the scope, inside the task that runs the body.
    ///   - body: Run exactly once, to its end, before this returns.
    static func run<Result, View>(
        view: View,
        leases: [LockState],
        cancelsOnLoss: Bool,
        isolation: isolated (any Actor)?,
        enclosing: @Sendable @escaping () -> [EnclosingLock],
        _ body: nonisolated(nonsending) (View) async throws -> Result
    ) async throws -> Result {
        try await withoutActuallyEscaping(body) { body in
            // The task below is awaited before this scope ends, and it runs in the caller's isolation: the two never run
            // at the same time, so what crosses between them unchecked is never used by two at once.
            let input = UncheckedTransfer((body, view))
            let caller = TaskIdentity.current
            // What a child task would inherit, and one like this does not.
            let preference = Self.taskExecutorPreference
            let task = Task {
                // Captured, so that the task runs in this isolation.
                _ = isolation
                let (body, view) = input.value
                // The caller waits for this task, so what must not end before the one does not end before the other.
                let outer = EnclosingLock.open.map { lock in
                    var lock = lock
                    if lock.task == caller { lock.task = .current }
                    return lock
                }
                return try await EnclosingLock.$all.withValue(outer + enclosing()) {
                    guard let preference else { return UncheckedTransfer(try await body(view)) }
                    return try await withTaskExecutorPreference(preference, isolation: isolation) {
                        // Goes over to the executor: the compiler leaves that to the body, and the body to its caller.
                        await Task.yield()
                        return UncheckedTransfer(try await body(view))
                    }
                }
            }
            let observers = (cancelsOnLoss ? leases : []).map { lease in
                (lease, lease.observe(.body(.init(task))))
            }
            defer {
                for (lease, number) in observers { _ = lease.forget(number) }
            }
            return try await withTaskCancellationHandler {
                try await task.value.value
            } onCancel: {
                task.cancel()
            }
        }
    }

    /// The executor that the current task prefers, as far as the language lets it be found.
    private static var taskExecutorPreference: (any TaskExecutor)? {
        #if compiler(>=6.3)
            if #available(macOS 26.4, iOS 26.4, watchOS 26.4, tvOS 26.4, visionOS 26.4, *) {
                return withUnsafeCurrentTask { $0?.unownedTaskExecutor?.asTaskExecutor() }
            }
        #endif
        return nil
    }
}
