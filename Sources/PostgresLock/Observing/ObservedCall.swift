import LibPQ
import LockCore
import Logging
import Synchronization

/// One call, as it is observed, from its beginning to the end of what it was granted. Its outcome is noted on the caller's task, where
/// metrics are recorded and lines are logged.
final class ObservedCall: Sendable {
    let observation: Observation
    let kind: CallKind
    /// What was asked for; empty for a session, and for a transaction without a lock.
    let requests: [LockRequest]
    /// `nil` if no spans are made.
    let span: CallSpan?

    private let begunAt = MonotonicTime.now.nanoseconds
    private let grantedAt = Atomic<Int64>(0)
    /// When another task of the process released the lock and this call got it at once; 0 if it came from the server.
    private let handedOffAt = Atomic<Int64>(0)
    private let hasEnded = Atomic(false)
    /// What becomes of a loss; `nil` if there is nothing to tell it to.
    private let lossReport: Locked<LossReport>?

    /// At most one loss is told, and not after the end. An end that comes meanwhile is left to the thread that tells the loss, so that the span
    /// ends behind it. No user's code runs under the mutex.
    private struct LossReport {
        var isOpen = true
        var isBeingTold = false
        var end: (@Sendable () -> Void)?
    }

    init(_ observation: Observation, _ kind: CallKind, _ requests: [LockRequest]) {
        self.observation = observation
        self.kind = kind
        self.requests = requests
        span = observation.tracing?.begin(kind, requests, name: observation.name)
        lossReport = span != nil || observation.logger != nil ? Locked(LossReport()) : nil
    }

    // MARK: The wait

    /// Called on the event loop.
    func noteHandoff(at instant: Instant) { handedOffAt.store(instant.nanoseconds, ordering: .relaxed) }

    /// Takes the lock that was asked for, and notes how the wait has ended.
    ///
    /// - Parameter take: Returns `nil` if the lock is taken, and the call does not wait.
    /// - Throws: What `take` throws.
    func takeLock(_ take: () throws -> LockState?) throws -> LockState? {
        do {
            let state = try take()
            if let state { granted([state]) } else { refused() }
            return state
        } catch {
            ended(by: error)
            throw error
        }
    }

    /// - Parameters:
    ///   - states: The locks, which may be lost from now on.
    ///   - isWaitOnly: Whether only the wait is observed, since there is no end of the scope, or of a handle, to be told of.
    func granted(_ states: [LockState], isWaitOnly: Bool = false) {
        let now = MonotonicTime.now.nanoseconds
        grantedAt.store(now, ordering: .relaxed)
        let metrics = observation.metrics
        metrics?.recordWait(now - begunAt, kind, .granted)
        let handedOffAt = handedOffAt.load(ordering: .relaxed)
        if handedOffAt != 0 { metrics?.recordHandoff(now - handedOffAt, kind) }
        span?.granted(token: states.first?.token)
        log(.debug, "\(kind.noun) granted", [LogKey.waited: Self.seconds(now - begunAt)])
        guard isWaitOnly else { return watch(states) }
        hasEnded.store(true, ordering: .relaxed)
        span?.end(.granted, nil)
    }

    /// The lock is taken, and the call does not wait.
    func refused() {
        if let reason = WaitStop.reasonOfRefusal { return failed(reason) }
        recordWait(.notAvailable)
        span?.end(.notAvailable, nil)
        log(.debug, "\(kind.noun) not granted", [LogKey.outcome: "\(CallOutcome.notAvailable.rawValue)"])
    }

    private func failed(_ error: any Error) {
        let error = WaitStop.reason(of: error)
        let outcome = CallOutcome(error)
        recordWait(outcome, error)
        span?.end(outcome, error)
        log(.debug, "\(kind.noun) not granted", [LogKey.outcome: "\(outcome.rawValue)"].adding(error))
    }

    private func recordWait(_ outcome: CallOutcome, _ error: (any Error)? = nil) {
        guard let metrics = observation.metrics else { return }
        metrics.recordWait(MonotonicTime.now.nanoseconds - begunAt, kind, outcome, error: error)
    }

    // MARK: What was granted

    /// A loss is told when it happens.
    private func watch(_ states: [LockState]) {
        guard lossReport != nil else { return }
        for state in states {
            state.observe(.loss { [self] in if let loss = state.loss { tell(loss) } })
        }
    }

    private func tell(_ loss: LockError) {
        guard let lossReport else { return }
        let isFirst = lossReport.withLock { report in
            defer { if report.isOpen { (report.isOpen, report.isBeingTold) = (false, true) } }
            return report.isOpen
        }
        guard isFirst else { return }
        span?.lost(loss)
        log(.warning, "\(kind.noun) lost", Logger.Metadata().adding(loss))
        let end = lossReport.withLock { report in
            report.isBeingTold = false
            defer { report.end = nil }
            return report.end
        }
        end?()
    }

    func changed(to mode: LockMode) {
        span?.changed(to: mode)
        log(.debug, mode == .shared ? "lock downgraded" : "lock upgraded")
    }

    /// The call has failed, or what it was granted has been released or lost. Only the first call counts.
    ///
    /// - Parameter error: What the wait, the scope or the release throws.
    func ended(by error: (any Error)? = nil) {
        let grantedAt = grantedAt.load(ordering: .relaxed)
        if let error, grantedAt == 0 { return failed(error) }
        guard !hasEnded.exchange(true, ordering: .relaxed) else { return }
        if let loss = error as? LockError, loss.code == .lockLost { tell(loss) }
        let held = MonotonicTime.now.nanoseconds - grantedAt
        observation.metrics?.recordHold(held, kind)
        guard let lossReport else { return }
        let end: @Sendable () -> Void = { [self] in
            span?.end(.granted, error)
            log(.debug, "\(kind.noun) released", [LogKey.heldFor: Self.seconds(held)])
        }
        let isNow = lossReport.withLock { report in
            report.isOpen = false
            if report.isBeingTold { report.end = end }
            return !report.isBeingTold
        }
        if isNow { end() }
    }

    // MARK: Lines

    private func log(_ level: Logger.Level, _ message: @autoclosure () -> String, _ further: @autoclosure () -> Logger.Metadata = [:]) {
        guard let logger = observation.logger, logger.logLevel <= level else { return }
        var metadata = further()
        if requests.count == 1 {
            metadata[LogKey.key] = "\(requests[0].key)"
            metadata[LogKey.mode] = "\(requests[0].mode)"
        } else if !requests.isEmpty {
            metadata.add(requests.map(\.key), count: requests.count)
        }
        metadata[LogKey.name] = observation.name.map { .string($0) }
        logger.log(level: level, "\(message())", metadata: metadata)
    }

    private static func seconds(_ nanoseconds: Int64) -> Logger.MetadataValue { "\(Duration.nanoseconds(nanoseconds).shown)" }
}

extension Logger.Metadata {
    /// Adds what is known of an error.
    fileprivate func adding(_ error: any Error) -> Logger.Metadata {
        guard let error = error as? LockError else { return self }
        return adding(error.message, error.sqlState)
    }
}
