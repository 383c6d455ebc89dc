import LibPQ

/// Runs the body of a scope in the caller's isolation, such that the loss of a lock cancels the body, but not its caller.
struct ScopedBody: Sendable {
    let driver: LockDriver
    /// What the scope holds.
    let states: [LockState]
    /// How the code inside sees the scope; `nil` if a scope around it stands for it.
    let kind: EnclosingLock.Kind?
    /// The call that the scope is of, if it is observed.
    var call: ObservedCall?
    /// Whether an end of the states cancels the body, whatever the configuration says of losses.
    var mustCancel = false

    /// Runs the body, then releases what the scope holds, also if the body throws.
    ///
    /// Not inlined: its variables would be part of the memory of each task that waits for its lock.
    ///
    /// - Throws: A loss, whatever the body returned or threw; else what the body throws, or what the release does.
    @inline(never)
    func run<Result, View>(
        _ view: View,
        isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) (View) async throws -> Result,
        release: nonisolated(nonsending) () async throws -> Void
    ) async throws -> Result {
        var result: Result?
        try await run(isolation, { result = try await body(view) }, release: release)
        return Self.returned(result)
    }

    /// Runs the body once, to its end.
    ///
    /// The body may be on the main actor or in an actor, capture variables and values that are not sendable, and return such. A
    /// `@Sendable` or `sending` body would refuse most of that, and a child task would leave the caller's isolation.
    func run<Result, View>(
        _ view: View,
        isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) (View) async throws -> Result
    ) async throws -> Result {
        var result: Result?
        try await run(isolation) { result = try await body(view) }
        return Self.returned(result)
    }

    // What follows is not generic: generic code would look types up at run time, and allocate each of its variables.

    static func returned<Result>(_ result: Result?) -> Result {
        guard let result else { preconditionFailure("The body has neither returned nor thrown.") }
        return result
    }

    /// See ``run(_:isolation:_:release:)``.
    func run(
        _ isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) () async throws -> Void,
        release: nonisolated(nonsending) () async throws -> Void
    ) async throws {
        do {
            try await run(isolation, body)
        } catch {
            // The loss is read after the release, which may be what finds it: whether it came before the body's end is not known.
            let failure = await Self.failure(of: release)
            let end: any Error = (failure ?? states.loss)?.caused(by: error) ?? explaining(error)
            call?.ended(by: end)
            throw end
        }
        do {
            try await release()
        } catch {
            call?.ended(by: error)
            throw error
        }
        call?.ended()
    }

    /// A body that ends by its cancellation, though its caller is not cancelled, was asked to.
    func explaining(_ error: any Error) -> any Error {
        guard error is CancellationError, !Task.isCancelled, let state = states.first(where: { $0.releaseRequest?.cancelsBody == true })
        else { return error }
        return LockError(
            .releaseRequested,
            """
            Another process asked for the release of the lock \(state.key) in \(driver.databaseName) (pglock kick, requestRelease), so the body was \
            cancelled, and the lock was released.
            """,
            keys: [state.key],
            underlying: error
        )
    }

    /// A failed release ends the locks, too.
    ///
    /// - Returns: Why the locks had ended before.
    private nonisolated(nonsending) static func failure(
        of release: nonisolated(nonsending) () async throws -> Void
    ) async -> LockError? {
        do {
            try await release()
            return nil
        } catch {
            return error as? LockError
        }
    }

    @inline(__always)
    private func run(_ isolation: isolated (any Actor)?, _ body: nonisolated(nonsending) () async throws -> Void) async throws {
        try await withoutActuallyEscaping(body) { body in
            // The task below is awaited before this scope ends, and it runs in the caller's isolation: the two never run
            // at the same time, so what crosses between them unchecked is never used by two at once.
            let body = UncheckedTransfer(body)
            let caller = TaskIdentity.current
            // What a child task would inherit, and one like this does not.
            let preference = Self.taskExecutorPreference
            let bodyTask = BodyTask()
            let observed = mustCancel || driver.configuration.cancelsBodyOnLoss ? states : []
            for state in observed { state.observe(.body(bodyTask)) }
            defer {
                for state in observed { state.forget(bodyTask) }
            }
            try await withTaskCancellationHandler {
                // The isolation is captured, so that the task runs in it.
                guard preference == nil, #available(macOS 26.0, iOS 26.0, watchOS 26.0, tvOS 26.0, visionOS 26.0, *) else {
                    return try await Task {
                        _ = isolation
                        guard let preference else { return try await inside(of: caller, bodyTask, body) }
                        try await withTaskExecutorPreference(preference, isolation: isolation) {
                            // Goes over to the executor: the compiler leaves that to the body, and the body to its caller.
                            await Task.yield()
                            try await inside(of: caller, bodyTask, body)
                        }
                    }.value
                }
                // Begins on this thread: to wake another one takes longer than most bodies.
                try await Task.immediate {
                    _ = isolation
                    try await inside(of: caller, bodyTask, body)
                }.value
            } onCancel: {
                bodyTask.cancel()
            }
        }
    }

    /// Runs the body in a task of its own.
    ///
    /// - Parameter caller: The task that waits for this one, so what must not end before the one does not end before the other.
    @inline(__always)
    private nonisolated(nonsending) func inside(
        of caller: TaskIdentity,
        _ task: BodyTask,
        _ body: UncheckedTransfer<nonisolated(nonsending) () async throws -> Void>
    ) async throws {
        task.begin()
        do {
            try await EnclosingLock.$all.withValue(scopes(insteadOf: caller)) {
                guard let span = call?.span else { return try await body.value() }
                try await span.around { try await body.value() }
            }
        } catch {
            if task.end() { await task.waitUntilUnused() }
            throw error
        }
        if task.end() { await task.waitUntilUnused() }
    }

    /// The scopes around the body, as the current task sees them, which runs the body.
    ///
    /// - Parameter caller: The task that waits for this one.
    private func scopes(insteadOf caller: TaskIdentity) -> [EnclosingLock] {
        var scopes = EnclosingLock.open
        let current = TaskIdentity.current
        for index in scopes.indices where scopes[index].task == caller { scopes[index].task = current }
        guard let kind else { return scopes }
        for state in states { scopes.append(EnclosingLock(owner: ObjectIdentifier(driver), state: state, kind: kind, task: current)) }
        return scopes
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
