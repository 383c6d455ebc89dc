import ChildProcesses
import CommandSupport
import Foundation
import PostgresLock

/// Carries out one `pglock run`: passes events to ``RunMachine``, and performs its actions.
actor LockedRun {
    private let manager: LockManager
    private let key: LockKey
    private let mode: LockMode
    private let timeout: Duration?
    private let isEnclosed: Bool
    private let child: LockedCommand?
    private let killAfter: Duration

    private var machine: RunMachine
    private var tasks: [Task<Void, Never>] = []
    private var wait: Task<Void, Never>?
    private var lock: CopyableLockHandle?
    private var process: ChildProcess?
    private var completion: CheckedContinuation<(outcome: RunMachine.Outcome, isClean: Bool), Never>?

    /// - Parameters:
    ///   - isEnclosed: Whether a `pglock run` around this one holds the key, so that a wait for it would not end.
    ///   - child: The command; `nil` to hold the lock until a signal.
    init(
        manager: LockManager,
        key: LockKey,
        mode: LockMode,
        timeout: Duration?,
        isEnclosed: Bool,
        child: LockedCommand?,
        killAfter: Duration
    ) {
        self.isEnclosed = isEnclosed
        self.manager = manager
        self.key = key
        self.mode = mode
        self.timeout = timeout
        self.child = child
        self.killAfter = killAfter
        machine = RunMachine(hasCommand: child != nil)
    }

    func run() async throws -> RunMachine.Outcome {
        let relay = try SignalRelay()
        tasks.append(Task { for await signal in relay.signals { handle(.signal(signal)) } })
        wait = Task { await waitForLock() }
        defer { for task in tasks { task.cancel() } }
        let (outcome, isClean) = await withCheckedContinuation { completion = $0 }
        return isClean ? await close(outcome) : outcome
    }

    private func waitForLock() async {
        do {
            let lock: CopyableLockHandle
            if isEnclosed {
                // The lock is available if the enclosing process has ended, or shares it.
                guard let free = try await manager.tryAcquire(key, mode: mode) else { throw EnclosingRuns.refusal(key) }
                lock = free.copyable()
            } else {
                lock = try await manager.acquire(key, mode: mode, timeout: timeout).copyable()
            }
            self.lock = lock
            tasks.append(Task { if let loss = await lock.lock.waitForEnd() { handle(.lost(loss)) } })
            handle(.granted)
        } catch {
            handle(.refused(error))
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
            StandardError.print("holding \(key), \(mode); Ctrl-C or SIGTERM releases it")
        case .send(let signal):
            process?.signal(signal)
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
            let process = try child.start()
            self.process = process
            tasks.append(Task { handle(.ended(await process.waitForEnd())) })
            return .started
        } catch {
            return .notStarted(error)
        }
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
            try await lock?.release()
        } catch {
            outcome = afterUnverifiedHold(outcome, error)
        }
        await manager.shutdown(gracePeriod: .zero)
        return outcome
    }

    /// The lock was not held any more at the release. It is not known when it was lost, so the command may not have been alone.
    private func afterUnverifiedHold(_ outcome: RunMachine.Outcome, _ error: any Error) -> RunMachine.Outcome {
        // The loss was reported before.
        guard lock?.lock.loss == nil || process != nil, case .exit(let status) = outcome, status != ExitStatus.lockLost else {
            return outcome
        }
        let reason = (error as? LockError)?.message ?? "\(error)"
        let about = process == nil ? "" : "The command has ended with status \(status), but whether it was alone is unknown. "
        return .failed(CommandFailure(ExitStatus.lockLost, about + reason))
    }
}
