import ChildProcesses
import CommandSupport
import Foundation
import PostgresLock

/// The state machine of one `pglock run`: takes events, returns actions.
struct RunMachine {
    enum Event {
        case signal(ReceivedSignal)
        case granted
        case refused(any Error)
        /// The command is not to be run in this interval any more.
        case skipped(SkippedRun)
        case started
        case notStarted(any Error)
        case lost(LockError)
        /// Another process asks for the release of the lock, which is still held.
        case releaseRequested
        case graceIsOver
        case ended(ChildProcess.Ending)
    }

    enum Action {
        case cancelWait
        case startCommand
        case announceHold
        case send(Int32)
        case announceLoss(LockError)
        case announceRequest
        case beginGrace
        /// Release the lock, if it is held, and end.
        case finish(Outcome)
        /// End without a release.
        case finishAtOnce(Outcome)
    }

    enum Outcome {
        case exit(Int32)
        case skipped(SkippedRun)
        /// End by the signal, as without a handler, so that a shell sees it.
        case signalled(Int32)
        case failed(any Error)
    }

    private enum State {
        case waiting
        /// A signal has cancelled the wait, which has not ended yet.
        case abandoning(Int32)
        case starting
        case running
        /// The lock is lost or asked for, and the command is being ended.
        case ending
        case holding
        case finished
    }

    private let hasCommand: Bool
    private let isCommandInNewGroup: Bool
    private var state = State.waiting

    /// - Parameter isCommandInNewGroup: Whether the command is in a process group of its own, which the terminal's signals don't reach.
    init(hasCommand: Bool, isCommandInNewGroup: Bool = false) {
        self.hasCommand = hasCommand
        self.isCommandInNewGroup = isCommandInNewGroup
    }

    /// Whether the command is being ended.
    var isEnding: Bool {
        if case .ending = state { true } else { false }
    }

    mutating func handle(_ event: Event) -> [Action] {
        switch event {
        case .signal(let signal): received(signal)
        case .granted: granted()
        case .refused(let error): notGranted(.failed(error))
        case .skipped(let skipped): notGranted(.skipped(skipped))
        case .started: started()
        case .notStarted(let error): finish(.failed(error))
        case .lost(let error): lost(error)
        case .releaseRequested: releaseRequested()
        case .graceIsOver: graceIsOver()
        case .ended(let ending): ended(ending)
        }
    }

    private mutating func received(_ signal: ReceivedSignal) -> [Action] {
        switch state {
        case .waiting:
            state = .abandoning(signal.number)
            return [.cancelWait]
        case .abandoning(let number):
            // A second signal ends the program at once. The server ends the wait with the session.
            state = .finished
            return [.finishAtOnce(.signalled(number))]
        case .starting, .running, .ending:
            // The terminal has sent the signal to the command, too, if it is in the same group.
            return signal.isFromTerminal && !isCommandInNewGroup ? [] : [.send(signal.number)]
        case .holding:
            return finish([SIGINT, SIGTERM].contains(signal.number) ? .exit(ExitStatus.success) : .signalled(signal.number))
        case .finished:
            return []
        }
    }

    private mutating func granted() -> [Action] {
        switch state {
        case .waiting where hasCommand:
            state = .starting
            return [.startCommand]
        case .waiting:
            state = .holding
            return [.announceHold]
        case .abandoning(let number):
            return finish(.signalled(number))
        case .starting, .running, .ending, .holding, .finished:
            return []
        }
    }

    private mutating func notGranted(_ outcome: Outcome) -> [Action] {
        if case .abandoning(let number) = state { return finish(.signalled(number)) }
        return finish(outcome)
    }

    private mutating func started() -> [Action] {
        if case .starting = state { state = .running }
        return []
    }

    private mutating func lost(_ error: LockError) -> [Action] {
        switch state {
        case .starting, .running:
            state = .ending
            // A stopped command would not handle SIGTERM.
            return [.announceLoss(error), .send(SIGTERM), .send(SIGCONT), .beginGrace]
        case .holding:
            return finish(.failed(error))
        case .waiting, .abandoning, .ending, .finished:
            return []
        }
    }

    private mutating func releaseRequested() -> [Action] {
        switch state {
        case .starting, .running:
            state = .ending
            return [.announceRequest, .send(SIGTERM), .send(SIGCONT), .beginGrace]
        case .holding:
            return finish(.exit(ExitStatus.success))
        case .waiting, .abandoning, .ending, .finished:
            return []
        }
    }

    private func graceIsOver() -> [Action] {
        if case .ending = state { [.send(SIGKILL)] } else { [] }
    }

    private mutating func ended(_ ending: ChildProcess.Ending) -> [Action] {
        if case .ending = state { return finish(.exit(ExitStatus.lockLost)) }
        return finish(.exit(ending.status))
    }

    private mutating func finish(_ outcome: Outcome) -> [Action] {
        if case .finished = state { return [] }
        state = .finished
        return [.finish(outcome)]
    }
}
