import ChildProcesses
import CommandSupport
import Foundation
import PostgresLock
import Testing

@testable import pglock

@Suite("The decisions of pglock run")
struct RunMachineTests {
    private let lockLost = LockError(.lockLost, "lost")

    @Test("a lock that is granted after the signal is released, and the command is not started")
    func signalThenGrant() {
        var machine = RunMachine(hasCommand: true)
        #expect(machine.names(.signal(.init(number: SIGTERM))) == ["cancelWait"])
        #expect(machine.names(.granted) == ["finish(signalled(15))"])
        #expect(machine.names(.signal(.init(number: SIGTERM))).isEmpty)
    }

    @Test("a second signal ends the program although the wait has not ended")
    func impatience() {
        var machine = RunMachine(hasCommand: true)
        _ = machine.handle(.signal(.init(number: SIGINT)))
        #expect(machine.names(.signal(.init(number: SIGINT))) == ["finishAtOnce(signalled(2))"])
        #expect(machine.names(.granted).isEmpty)
    }

    @Test("if the command ends after the lock was lost, the status is that of the loss")
    func loss() {
        var machine = RunMachine(hasCommand: true)
        #expect(machine.names(.granted) == ["startCommand"])
        _ = machine.handle(.started)
        let actions = machine.names(.lost(lockLost))
        #expect(actions.count == 4 && actions[1...] == ["send(\(SIGTERM))", "send(\(SIGCONT))", "beginGrace"])
        #expect(machine.names(.signal(.init(number: SIGUSR1))) == ["send(\(SIGUSR1))"])
        #expect(machine.names(.signal(.init(number: SIGINT, isFromTerminal: true))).isEmpty)
        #expect(machine.names(.graceIsOver) == ["send(\(SIGKILL))"])
        #expect(machine.names(.ended(.exited(0))) == ["finish(exit(70))"])
    }

    @Test("a signal of the terminal is sent on to a command that is in a process group of its own")
    func ownGroup() {
        for isOwn in [false, true] {
            var machine = RunMachine(hasCommand: true, isCommandInNewGroup: isOwn)
            _ = machine.handle(.granted)
            _ = machine.handle(.started)
            #expect(machine.names(.signal(.init(number: SIGINT, isFromTerminal: true))) == (isOwn ? ["send(\(SIGINT))"] : []))
            #expect(machine.names(.signal(.init(number: SIGINT))) == ["send(\(SIGINT))"])
        }
    }

    @Test("a lock that another process asks for ends the command as a loss does; a hold without a command is released")
    func releaseRequest() {
        var machine = RunMachine(hasCommand: true)
        #expect(machine.names(.releaseRequested).isEmpty)
        _ = machine.handle(.granted)
        _ = machine.handle(.started)
        #expect(machine.names(.releaseRequested) == ["announceRequest", "send(\(SIGTERM))", "send(\(SIGCONT))", "beginGrace"])
        #expect(machine.names(.releaseRequested).isEmpty)
        #expect(machine.names(.ended(.exited(0))) == ["finish(exit(70))"])
        var hold = RunMachine(hasCommand: false)
        _ = hold.handle(.granted)
        #expect(hold.names(.releaseRequested) == ["finish(exit(0))"])
    }

    @Test("the end of the grace period has no effect without a loss")
    func grace() {
        var machine = RunMachine(hasCommand: true)
        _ = machine.handle(.granted)
        _ = machine.handle(.started)
        #expect(machine.names(.graceIsOver).isEmpty)
        #expect(machine.names(.ended(.signalled(SIGSEGV))) == ["finish(exit(139))"])
        #expect(machine.names(.lost(lockLost)).isEmpty)
    }

    @Test("a hold ends with the status 0 by INT and TERM, and by the signal itself otherwise")
    func hold() {
        for (number, end) in [(SIGINT, "exit(0)"), (SIGTERM, "exit(0)"), (SIGHUP, "signalled(1)")] {
            var machine = RunMachine(hasCommand: false)
            #expect(machine.names(.granted) == ["announceHold"])
            #expect(machine.names(.signal(.init(number: number))) == ["finish(\(end))"])
        }
    }
}

extension RunMachine {
    /// What comes out, by name.
    fileprivate mutating func names(_ event: Event) -> [String] {
        handle(event).map { "\($0)".replacing("pglock.RunMachine.Outcome.", with: "") }
    }
}
