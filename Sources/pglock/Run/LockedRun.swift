import ChildProcesses
import CommandSupport
import Foundation
import PostgresLock

/// Ends the run of a job whose command has failed, so that it is recorded.
private struct CommandHasFailed: Error {}

/// Carries out one `pglock run`: passes events to ``RunMachine``, and performs its actions.
actor LockedRun {
    private let manager: LockManager
    private let key: LockKey
    private let mode: LockMode
    private let timeout: Duration?
    private let explainsRefusal: Bool
    private let enclosing: LockMode?
    private let enclosingSlot: Int?
    private let once: OnceJob?
    private let semaphore: DistributedSemaphore?
    private let child: LockedCommand?
    private let killAfter: Duration

    private var machine: RunMachine
    private var tasks: [Task<Void, Never>] = []
    private var wait: Task<Void, any Error>?
    private var lock: HeldLock?
    /// The number of the permit.
    private var slot: Int?
    /// Releases the lock. The command has ended, well or not.
    private var release: (@Sendable (_ isDone: Bool) async throws -> Void)?
    private var process: ChildProcess?
    private var completion: CheckedContinuation<(outcome: RunMachine.Outcome, isClean: Bool), Never>?

    /// - Parameters:
    ///   - explainsRefusal: Whether the server is asked for the holders of a lock that is taken and not waited for. After a wait the library does
    ///     that by itself.
    ///   - enclosing: The mode in which a pglock around this one holds the key, so that a wait for it might not end.
    ///   - enclosingSlot: The number of the permit that a pglock around this one holds.
    ///   - once: Claims the run, so that the command runs once per interval.
    ///   - semaphore: Gives a permit in place of the lock.
    ///   - child: The command; `nil` to hold the lock until a signal.
    init(
        manager: LockManager,
        key: LockKey,
        mode: LockMode,
        timeout: Duration?,
        explainsRefusal: Bool,
        enclosing: LockMode?,
        enclosingSlot: Int?,
        once: OnceJob?,
        semaphore: DistributedSemaphore?,
        child: LockedCommand?,
        killAfter: Duration
    ) {
        self.explainsRefusal = explainsRefusal
        self.enclosing = enclosing
        self.enclosingSlot = enclosingSlot
        self.once = once
        self.semaphore = semaphore
        self.manager = manager
        self.key = key
        self.mode = mode
        self.timeout = timeout
        self.child = child
        self.killAfter = killAfter
        machine = RunMachine(hasCommand: child != nil, isCommandInNewGroup: child?.inNewGroup ?? false)
    }

    func run() async throws -> RunMachine.Outcome {
        let relay = try SignalRelay()
        tasks.append(Task { for await signal in relay.signals { handle(.signal(signal)) } })
        wait = Task { try await waitForLock() }
        defer { for task in tasks { task.cancel() } }
        let (outcome, isClean) = await withCheckedContinuation { completion = $0 }
        return isClean ? await close(outcome) : outcome
    }

    /// Returns when the lock is held; for a job, when its run has ended.
    private func waitForLock() async throws {
        do {
            if let once { return try await claim(once) }
            if let semaphore { return try await takePermit(of: semaphore) }
            if let held = try await acquire() {
                hold(held.lock) { _ in try await held.release() }
            } else {
                handle(.granted)
            }
        } catch {
            handle(.refused(await explained(error)))
            throw error
        }
    }

    /// - Returns: `nil` if the lock is that of a pglock around this one, whose hold suffices for the command.
    private func acquire() async throws -> CopyableLockHandle? {
        let suffices = child != nil && (enclosing == .exclusive || enclosing == mode)
        // Without a wait there is no cycle: the lock is taken, whichever process holds it.
        guard enclosing != nil, suffices || timeout != .zero else {
            return try await manager.acquire(key, mode: mode, timeout: timeout).copyable()
        }
        // The lock is available if the enclosing process has ended, or shares it.
        if let free = try await manager.tryAcquire(key, mode: mode) { return free.copyable() }
        guard suffices else { throw EnclosingRuns.refusal(key) }
        StandardError.print(EnclosingRuns.note(key))
        return nil
    }

    /// Whether a lock is held. It is free if the enclosing process has ended, or holds it on another server of the same address.
    private func isTaken(_ key: LockKey) async throws -> Bool {
        guard let free = try await manager.tryAcquire(key) else { return true }
        try await free.release()
        return false
    }

    private func explained(_ error: any Error) async -> any Error {
        guard explainsRefusal, semaphore == nil, timeout == .zero, let refusal = error as? LockError, refusal.code == .timedOut else {
            return error
        }
        return await manager.explainRefusal(of: key)
    }

    private func hold(_ lock: HeldLock, release: @escaping @Sendable (_ isDone: Bool) async throws -> Void) {
        (self.lock, self.release) = (lock, release)
        tasks.append(Task { if let loss = await lock.waitForEnd() { handle(.lost(loss)) } })
        tasks.append(Task { if await lock.waitForReleaseRequest() { handle(.releaseRequested) } })
        handle(.granted)
    }

    /// Takes a permit, and holds it until the command has ended; unless a pglock around this one holds a permit, which suffices for the command.
    private func takePermit(of semaphore: DistributedSemaphore) async throws {
        // Otherwise each of several pglocks could have a permit, and wait for a second one inside it.
        if let outer = enclosingSlot, child != nil || timeout != .zero, try await isTaken(semaphore.key(ofPermit: outer)) {
            guard child != nil else { throw EnclosingRuns.refusal(permit: outer, of: semaphore.limit, semaphore.name) }
            StandardError.print(EnclosingRuns.note(permit: outer, of: semaphore.limit, semaphore.name))
            slot = outer
            return handle(.granted)
        }
        try await semaphore.withPermit(timeout: timeout) { permit in
            slot = permit.number
            await withCheckedContinuation { end in
                hold(permit.lock) { [wait] _ in
                    end.resume()
                    try await wait?.value
                }
            }
        }
    }

    /// Claims the run of a job, and holds its lock until the command has ended.
    private func claim(_ job: OnceJob) async throws {
        do {
            let outcome = try await manager.runOnce(job.name, every: job.interval, counting: job.counting, guarantee: job.guarantee) {
                run in
                let isDone = await withCheckedContinuation { end in
                    hold(run.lock) { [wait] isDone in
                        end.resume(returning: isDone)
                        try await wait?.value
                    }
                }
                if !isDone { throw CommandHasFailed() }
            }
            guard case .skipped(let skipped) = outcome else { return }
            if enclosing != nil, timeout != .zero, skipped.nextDue == nil { throw EnclosingRuns.refusal(key) }
            handle(.skipped(skipped))
        } catch is CommandHasFailed {
            // The command's status says so.
        }
    }

    private func handle(_ event: RunMachine.Event) {
        for action in machine.handle(event) { perform(action) }
    }

    private func perform(_ action: RunMachine.Action) {
        switch action {
        case .cancelWait:
            wait?.cancel()
        case .startCommand:
            handle(startCommand())
        case .announceHold:
            let what = semaphore.map { "permit \(slot ?? 0) of \($0.limit) of \"\($0.name)\"" } ?? "\(key), \(mode)"
            StandardError.print("holding \(what); Ctrl-C or SIGTERM releases it")
        case .send(let signal):
            process?.signal(signal)
        case .announceRequest:
            StandardError.print("the release of \(key) was asked for (pglock kick). The command is being ended.")
        case .announceLoss(let error):
            StandardError.print("\(error.message) The command is being ended.")
        case .beginGrace:
            tasks.append(
                Task {
                    // Cancelled only when the run is over.
                    try? await Task.sleep(for: killAfter)
                    handle(.graceIsOver)
                }
            )
        case .finish(let outcome):
            completion?.resume(returning: (outcome, isClean: true))
        case .finishAtOnce(let outcome):
            completion?.resume(returning: (outcome, isClean: false))
        }
    }

    private func startCommand() -> RunMachine.Event {
        guard let child else { return .started }
        do {
            let process = try child.start(slot: slot, holdsKey: lock != nil)
            self.process = process
            tasks.append(Task { await reportEnd(of: process) })
            return .started
        } catch {
            return .notStarted(error)
        }
    }

    private func reportEnd(of process: ChildProcess) async {
        await process.waitForEndUncollected()
        // What is left of its group must not outlive the lock.
        if machine.isEnding { process.signal(SIGKILL) }
        handle(.ended(process.poll() ?? .unknown))
    }

    /// Releases the lock, and shuts the manager down. If the server does not answer, the end of this process releases the lock.
    private func close(_ outcome: RunMachine.Outcome) async -> RunMachine.Outcome {
        let timeout = Task { [manager] in
            try await Task.sleep(for: .seconds(5))
            await manager.shutdown(gracePeriod: .zero)
        }
        defer { timeout.cancel() }
        var outcome = outcome
        do {
            if case .exit(ExitStatus.success) = outcome { try await release?(true) } else { try await release?(false) }
        } catch {
            outcome = afterUnverifiedHold(outcome, error)
        }
        await manager.shutdown(gracePeriod: .zero)
        return outcome
    }

    /// The lock was not held any more at the release. It is not known when it was lost, so the command may not have been alone.
    private func afterUnverifiedHold(_ outcome: RunMachine.Outcome, _ error: any Error) -> RunMachine.Outcome {
        // The loss was reported before.
        guard lock?.loss == nil || process != nil, case .exit(let status) = outcome, status != ExitStatus.lockLost else {
            return outcome
        }
        let reason = (error as? LockError)?.message ?? "\(error)"
        let about = process == nil ? "" : "The command has ended with status \(status), but whether it was alone is unknown. "
        return .failed(CommandFailure(ExitStatus.lockLost, about + reason))
    }
}
