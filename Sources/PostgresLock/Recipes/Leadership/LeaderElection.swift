import LibPQ
import LockCore
import Logging

/// A long-lived candidate for the lead: it campaigns, leads, lets go of the lead once the body has returned, and campaigns again.
///
/// ```swift
/// let election = try LeaderElection("scheduler", locks: locks) { term in
///     while !Task.isCancelled { try await work() }
/// }
/// try await election.run()
/// ```
///
/// With the trait `ServiceLifecycleSupport` it is a `Service`. For a single term use
/// ``LockManager/withLeadership(of:onStepDownRequest:isolation:_:)``. What a leader may count on is in <doc:Leadership>.
public final class LeaderElection: Sendable {
    private struct State {
        var isRunning = false
        var term: LeadershipTerm?
        var failure: LockError?
        var nextWatcher = 0
        var watchers: [Int: AsyncStream<LeadershipTerm?>.Continuation] = [:]
        var look: RememberedLook?
    }

    /// The election is to stop, while this process stands by.
    private struct Stopped: Error {}

    /// What the body has thrown, which is told from the errors of the campaign by this, and not by its type.
    private struct BodyFailure: Error {
        let error: any Error
        let isAskedToStepDown: Bool
    }

    /// The election's name.
    public var name: String { keys.name }

    private let locks: LockManager
    private let keys: LeadershipKeys
    private let handling: StepDownHandling
    private let cancelsOnLoss: Bool
    private let lead: @Sendable (LeadershipTerm) async throws -> Void
    private let state = Locked(State())
    /// Ends when ``stop()`` is called.
    private let stopping: LockState

    /// - Parameters:
    ///   - name: The election's name, the same in all processes, and that of the lock.
    ///   - locks: Where the lock is. The manager has to outlive the run.
    ///   - handling: What a request to step down does to the body.
    ///   - lead: What the leader does. When it returns, the lead is let go of, and after a pause this process campaigns again.
    /// - Throws: ``LockError`` with the code ``LockError/Code/invalidArgument`` if the name is empty.
    public convenience init(
        _ name: String,
        locks: LockManager,
        onStepDownRequest handling: StepDownHandling = .cancelBody,
        lead: @escaping @Sendable (LeadershipTerm) async throws -> Void
    ) throws {
        try self.init(name, locks: locks, onStepDownRequest: handling, cancelsOnLoss: false, lead: lead)
    }

    /// - Parameter cancelsOnLoss: Whether a loss of the lead cancels the body, whatever the manager's configuration says.
    init(
        _ name: String,
        locks: LockManager,
        onStepDownRequest handling: StepDownHandling,
        cancelsOnLoss: Bool,
        lead: @escaping @Sendable (LeadershipTerm) async throws -> Void
    ) throws {
        keys = try LeadershipKeys(name)
        self.cancelsOnLoss = cancelsOnLoss
        self.locks = locks
        self.handling = handling
        self.lead = lead
        stopping = LockState(key: keys.lead, mode: .shared)
    }

    // MARK: Running

    /// Campaigns and leads until the task is cancelled, or the service group shuts down gracefully.
    ///
    /// An outage of the server, and a lost lead, are no reason to end: the campaign goes on. During a term a cancellation cancels the body, and
    /// so does a graceful shutdown unless the body is only told of requests to step down. In both cases the run ends once the body has returned.
    ///
    /// - Throws: What the body throws, unless it was cancelled by a loss or a request to step down; `CancellationError`; ``LockError`` if the
    ///   campaign can't succeed, such as with ``LockError/Code/authenticationFailed``, or if the election runs already.
    public func run() async throws {
        try beginRun()
        defer { endRun() }
        try await withStopOnGracefulShutdown {
            while stopping.isHeld {
                let pause = try await runTerm()
                try await rest(pause)
            }
        }
    }

    /// Campaigns, and leads once.
    ///
    /// - Returns: The pause until the next campaign.
    private func runTerm() async throws -> Duration {
        let hasLed = Locked(false)
        var campaign = LeadershipCampaign(locks: locks, keys: keys, handling: handling)
        campaign.cancelsOnLoss = cancelsOnLoss
        campaign.standBy = { [self] pause in
            state.withLock { $0.failure = nil }
            try await rest(pause)
            if !stopping.isHeld { throw Stopped() }
        }
        do {
            try await campaign.run(isolation: nil) { term in
                hasLed.withLock { $0 = true }
                begin(term)
                defer { endTerm() }
                do {
                    if stopping.isHeld { try await lead(term) }
                } catch {
                    throw BodyFailure(error: error, isAskedToStepDown: term.isAskedToStepDown)
                }
            }
            return CampaignPause.rest
        } catch is Stopped {
            return .zero
        } catch let failure as BodyFailure {
            // The lead was not lost.
            try Task.checkCancellation()
            guard handling.excusesFailure(whenAskedToStepDown: failure.isAskedToStepDown) else { throw failure.error }
            return CampaignPause.rest
        } catch {
            try Task.checkCancellation()
            // A graceful shutdown also ends the try that is under way.
            if !hasLed.withLock({ $0 }), !stopping.isHeld { return .zero }
            guard var error = error as? LockError, error.isOutage && error.code != .shutDown || error.code == .lockLost else { throw error }
            if let failure = error.underlying as? BodyFailure { error = error.caused(by: failure.error) }
            state.withLock { [error] in $0.failure = error }
            locks.driver.logger.info("campaigning goes on", metadata: [LogKey.key: "\(keys.lead)", LogKey.reason: "\(error.message)"])
            return CampaignPause.poll
        }
    }

    private func beginRun() throws {
        let isFirst = state.withLock { state in
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if !isFirst { throw LockError(.invalidArgument, "The election \"\(name)\" runs already. Make another one for a second candidate.") }
    }

    private func endRun() {
        let watchers = state.withLock { state in
            state.isRunning = false
            defer { state.watchers = [:] }
            return state.watchers
        }
        for watcher in watchers.values { watcher.finish() }
    }

    private func begin(_ term: LeadershipTerm) {
        change(to: term)
        if !stopping.isHeld { term.stepDown() }
    }

    private func endTerm() { change(to: nil) }

    private func change(to term: LeadershipTerm?) {
        state.withLock { state in
            state.term = term
            if term != nil { state.failure = nil }
            for watcher in state.watchers.values { watcher.yield(term) }
        }
    }

    /// Ends early when the election is to stop.
    private func rest(_ pause: Duration) async throws {
        await withTaskGroup { group in
            group.addTask { try? await Task.sleep(for: pause) }
            group.addTask { [stopping] in _ = await [stopping].waitForEnd() }
            await group.next()
            group.cancelAll()
        }
        try Task.checkCancellation()
    }

    /// Ends ``run()`` once the body has returned, which is asked to.
    func stop() {
        stopping.end(nil)
        stepDown()
    }

    // MARK: Watching

    /// Whether this process leads, as far as can be known here and now.
    public var isLeader: Bool { term?.isHeld ?? false }

    /// The term in which this process leads; `nil` if it does not.
    public var term: LeadershipTerm? { state.withLock { $0.term } }

    /// The terms of this process as they begin, and `nil` as they end, beginning with the present state.
    ///
    /// Each call makes a sequence of its own. One that is read slowly leaves out what has been overtaken. It ends with ``run()``; one that is
    /// made while the election does not run, with the next run.
    public var changes: AsyncStream<LeadershipTerm?> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            let number = state.withLock { state in
                continuation.yield(state.term)
                state.nextWatcher += 1
                state.watchers[state.nextWatcher] = continuation
                return state.nextWatcher
            }
            continuation.onTermination = { [weak self] _ in self?.state.withLock { $0.watchers[number] = nil } }
        }
    }

    /// Which session leads.
    ///
    /// Answers are remembered for a short time, so that frequent calls are no load for the server.
    ///
    /// - Returns: `nil` if no session leads at present.
    /// - Throws: As ``LockManager/leader(of:)``.
    public func leader() async throws -> Leader? {
        let begin = MonotonicTime.now
        if let look = state.withLock({ $0.look }), look.isValid(at: begin) { return look.leader }
        let leader = try await locks.leader(of: name)
        state.withLock { $0.look = RememberedLook(leader, asked: begin, answered: MonotonicTime.now) }
        return leader
    }

    /// How the candidate is.
    public var health: Health {
        state.withLock { state in
            Health(isRunning: state.isRunning, isLeader: state.term?.isHeld ?? false, hasTerm: state.term != nil, failure: state.failure)
        }
    }

    /// Asks the leader to step down, if this process leads. Returns at once.
    public func stepDown() { term?.stepDown() }

    /// How a candidate is, for a health check.
    public struct Health: Sendable {
        /// Whether the election runs, and campaigns or leads without an obstacle.
        public var isHealthy: Bool { isRunning && failure == nil && isLeader == hasTerm }
        /// Whether ``LeaderElection/run()`` runs.
        public let isRunning: Bool
        /// Whether this process leads.
        public let isLeader: Bool
        /// Whether the body has not returned. It may go on after a loss.
        let hasTerm: Bool
        /// Why the last try has failed; `nil` if the server has answered it.
        public let failure: LockError?
    }
}
