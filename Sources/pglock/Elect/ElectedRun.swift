import ChildProcesses
import CommandSupport
import Foundation
import PostgresLock

/// Carries out one `pglock elect`: campaigns, runs the command while leading, and campaigns again.
actor ElectedRun {
    enum Outcome {
        case exit(Int32)
        /// End by the signal, as without a handler, so that a shell sees it.
        case signalled(Int32)
    }

    /// How a term has ended.
    private enum TermEnd {
        case commandEnded(ChildProcess.Ending)
        case steppedDown
    }

    private let manager: LockManager
    private let key: LockKey
    private let name: String
    private let isEnclosed: Bool
    private let child: LockedCommand
    private let killAfter: Duration

    private var campaign: Task<Outcome, any Error>?
    private var process: ChildProcess?
    /// The signal that ends pglock.
    private var signal: Int32?

    /// - Parameter isEnclosed: Whether a pglock around this one holds the key, so that this one would stand by without end.
    init(manager: LockManager, key: LockKey, name: String, isEnclosed: Bool, child: LockedCommand, killAfter: Duration) {
        self.manager = manager
        self.key = key
        self.name = name
        self.isEnclosed = isEnclosed
        self.child = child
        self.killAfter = killAfter
    }

    func run() async throws -> Outcome {
        let relay = try SignalRelay()
        let signals = Task { for await signal in relay.signals { received(signal) } }
        defer { signals.cancel() }
        // The first look says whether the server can be used at all.
        _ = try await manager.leader(of: name)
        if isEnclosed { try await requireFree() }
        let campaign = Task { try await campaignAndLead() }
        self.campaign = campaign
        if signal != nil { campaign.cancel() }
        do {
            let outcome = try await campaign.value
            await manager.shutdown(gracePeriod: .zero)
            return outcome
        } catch is CancellationError {
            await manager.shutdown(gracePeriod: .zero)
            return .signalled(signal ?? SIGTERM)
        }
    }

    /// A pglock around this one holds the key, shared or alone, according to the environment. If that is so, this one would stand by without end.
    private func requireFree() async throws {
        guard let free = try await manager.tryAcquire(key) else { throw EnclosingRuns.refusal(key) }
        try await free.release()
    }

    private func received(_ signal: ReceivedSignal) {
        // The command may take others for something else than its end, such as to read its files again.
        if process == nil || [SIGINT, SIGTERM, SIGQUIT].contains(signal.number) { self.signal = signal.number }
        guard let process else {
            campaign?.cancel()
            return
        }
        // The terminal has sent the signal to the command, too.
        if !signal.isFromTerminal { process.signal(signal.number) }
    }

    private func campaignAndLead() async throws -> Outcome {
        while true {
            do {
                switch try await manager.withLeadership(of: name, onStepDownRequest: .tellBody, { try await lead($0) }) {
                case .commandEnded(let ending): return .exit(ending.status)
                case .steppedDown: StandardError.print("stepped down; standing by again")
                }
            } catch let error as LockError where error.code == .lockLost || error.isOutage {
                if let signal { return .signalled(signal) }
                StandardError.print("\(error.message) Standing by again.")
            }
            try await Task.sleep(for: CampaignPause.rest)
        }
    }

    /// Runs the command until it ends, or the lead does.
    private func lead(_ term: LeadershipTerm) async throws -> TermEnd {
        guard signal == nil else { throw CancellationError() }
        guard term.isHeld else { return .steppedDown }
        let process = try child.start()
        self.process = process
        let watch = Task { [killAfter] in
            guard await Self.isOver(term) else { return }
            // A stopped command would not handle SIGTERM.
            for signal in [SIGTERM, SIGCONT] { process.signal(signal) }
            try await Task.sleep(for: killAfter)
            process.signal(SIGKILL)
        }
        let ending = await process.waitForEnd()
        watch.cancel()
        self.process = nil
        return term.isHeld && !term.isAskedToStepDown || signal != nil ? .commandEnded(ending) : .steppedDown
    }

    /// Waits for a request to step down, or for the loss of the lead.
    ///
    /// - Returns: Whether one of them has come; `false` if the task was cancelled.
    private static func isOver(_ term: LeadershipTerm) async -> Bool {
        await withTaskGroup { group in
            group.addTask { await term.waitForStepDownRequest() }
            group.addTask { await term.lock.waitForEnd() != nil }
            let isOver = await group.next() ?? false
            group.cancelAll()
            return isOver
        }
    }
}
