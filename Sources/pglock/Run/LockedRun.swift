import ChildProcesses
import CommandSupport
import Foundation
import PostgresLock

/// Carries out one `pglock run`: passes events to ``RunMachine``, and performs its actions.
final class LockedRun {
    private let manager: LockManager
    private let key: LockKey
    private let mode: LockMode
    private let timeout: Duration?
    private let isEnclosed: Bool
    private let child: LockedCommand?
    private let killAfter: Duration

    private let happenings = AsyncStream<Happening>.makeStream()
    private var tasks: [Task<Void, Never>] = []
    private var wait: Task<Void, Never>?
    private var lock: CopyableLockHandle?
    private var process: ChildProcess?

    /// An event, with the values that the machine does not need.
    private enum Happening: Sendable {
        case granted(CopyableLockHandle)
        case refused(any Error)
        case signal(ReceivedSignal)
        case lost(LockError)
        case ended(ChildProcess.Ending)
        case graceIsOver
    }

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
    }

    func run() async throws -> RunMachine.Outcome {
        let relay = try SignalRelay()
        tasks.append(Task { [post = happenings.continuation] in for await signal in relay.signals { post.yield(.signal(signal)) } })
        wait = Task { [post = happenings.continuation, manager, key, mode, timeout, isEnclosed] in
            do {
                if isEnclosed {
                    // The lock is available if the enclosing process has ended, or shares it.
                    guard let lock = try await manager.tryAcquire(key, mode: mode) else { throw EnclosingRuns.refusal(key) }
                    post.yield(.granted(lock.copyable()))
                } else {
                    post.yield(.granted(try await manager.acquire(key, mode: mode, timeout: timeout).copyable()))
                }
            } catch {
                post.yield(.refused(error))
            }
        }
        defer { for task in tasks { task.cancel() } }

        var machine = RunMachine(hasCommand: child != nil)
        for await happening in happenings.stream {
            var events = [event(for: happening)]
            while let event = events.popFirst() {
                for action in machine.handle(event) {
                    switch perform(action) {
                    case .nothing: break
                    case .event(let event): events.append(event)
                    case .end(let outcome, let isClean): return isClean ? await close(outcome) : outcome
                    }
                }
            }
        }
        return .failed(CancellationError())
    }

    private func event(for happening: Happening) -> RunMachine.Event {
        switch happening {
        case .granted(let lock):
            self.lock = lock
            watch(lock.lock)
            return .granted
        case .refused(let error): return .refused(error)
        case .signal(let signal): return .signal(signal)
        case .lost(let error): return .lost(error)
        case .ended(let ending): return .ended(ending)
        case .graceIsOver: return .graceIsOver
        }
    }

    private enum Effect {
        case nothing
        case event(RunMachine.Event)
        case end(RunMachine.Outcome, isClean: Bool)
    }

    private func perform(_ action: RunMachine.Action) -> Effect {
        switch action {
        case .cancelWait:
            wait?.cancel()
        case .startCommand:
            return .event(startCommand())
        case .announceHold:
            StandardError.print("holding \(key), \(mode); Ctrl-C or SIGTERM releases it")
        case .send(let signal):
            process?.signal(signal)
        case .announceLoss(let error):
            StandardError.print("\(error.message) The command is being ended.")
        case .beginGrace:
            tasks.append(
                Task { [post = happenings.continuation, killAfter] in
                    // Cancelled only when the run is over.
                    try? await Task.sleep(for: killAfter)
                    post.yield(.graceIsOver)
                }
            )
        case .finish(let outcome):
            return .end(outcome, isClean: true)
        case .finishAtOnce(let outcome):
            return .end(outcome, isClean: false)
        }
        return .nothing
    }

    private func startCommand() -> RunMachine.Event {
        guard let child else { return .started }
        do {
            let process = try child.start()
            self.process = process
            tasks.append(Task { [post = happenings.continuation] in post.yield(.ended(await process.waitForEnd())) })
            return .started
        } catch {
            return .notStarted(error)
        }
    }

    private func watch(_ lock: HeldLock) {
        tasks.append(
            Task { [post = happenings.continuation] in
                if let loss = await lock.waitForEnd() { post.yield(.lost(loss)) }
            }
        )
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

extension Array {
    fileprivate mutating func popFirst() -> Element? {
        isEmpty ? nil : removeFirst()
    }
}
