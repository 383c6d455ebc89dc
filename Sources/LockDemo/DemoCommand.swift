import ArgumentParser
import CommandSupport
import Foundation

/// The program of `make demo`: what a lock is good for, shown on a throwaway server.
@main
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "LockDemo",
        abstract: "See what a lock is good for, on a throwaway server.",
        usage: "swift run LockDemo [<options>]",
        discussion: """
            Starts a PostgreSQL server of its own, in a temporary folder, and several processes that all add 1 to the same \
            counter, by reading it, waiting a moment, and writing back one more than they have read. First they do it under \
            a lock, then without. Half way, one of them is killed by SIGKILL in the middle of its work.

            What must be there is counted exactly: each process notes each of its additions in a journal, in the same \
            transaction that changes the counter. What the journal has more than the counter are lost updates.

            Last, a process is frozen while it holds a lock, for longer than its lease. It wakes up when another one has had \
            the lock, and writes; a fencing token tells it from the rightful holder, and its write is refused.

            Needs PostgreSQL's server programs (initdb, postgres); PGLOCK_POSTGRES_BIN names their folder, if they are not \
            found. Nothing stays behind, Ctrl-C included.

            EXIT STATUS:
              0   under the lock nothing was lost, without it something was, and the late write was refused
              1   one of these did not come true, or something failed
             69   the server could not be started
            """,
        subcommands: [DemoWorkerCommand.self, StaleHolderCommand.self]
    )

    @Option(help: ArgumentHelp("The number of processes, 2 to 32.", valueName: "number"))
    var workers = 4

    @Option(help: ArgumentHelp("How long each of the two runs takes; 4 by default.", valueName: "seconds"))
    var seconds: Double?

    @Option(help: ArgumentHelp("Instead: how many additions each process does.", valueName: "number"))
    var rounds: Int?

    @Option(help: ArgumentHelp("The lease of the process that is frozen.", valueName: "seconds"))
    var lease = 1.0

    @Flag(help: "Print plain lines, as when standard output is no terminal.")
    var plain = false

    func validate() throws {
        guard (2...32).contains(workers) else { throw ValidationError("--workers is \(workers); it has to be from 2 to 32.") }
        guard seconds == nil || rounds == nil else { throw ValidationError("Give either --seconds or --rounds.") }
        if let seconds, !(0.5...3600).contains(seconds) {
            throw ValidationError("--seconds is \(seconds); it has to be from 0.5 to 3600.")
        }
        guard (1...3600).contains(lease) else { throw ValidationError("--lease is \(lease); it has to be from 1 to 3600 seconds.") }
        if let rounds, !(4...1_000_000).contains(rounds) {
            throw ValidationError("--rounds is \(rounds); it has to be from 4 to 1000000.")
        }
    }

    func run() async throws {
        let relay = try SignalRelay()
        // A worker that we have just killed no longer reads what we write to it.
        signal(SIGPIPE, SIG_IGN)
        let length = rounds.map(DemoLength.rounds) ?? .seconds(seconds ?? 4)
        let display = TerminalDisplay(plain: plain, workers: workers) ?? PlainDisplay() as any DemoDisplay
        let demo = Demo(workers: workers, length: length, lease: lease, display: display)
        let work = Task { try await demo.run() }
        let watch = Task {
            var first: Int32?
            for await signal in relay.signals {
                if let first { SignalRelay.die(of: first) }
                first = signal.number
                work.cancel()
            }
            return first
        }
        let result = await work.result
        watch.cancel()
        if let number = await watch.value { SignalRelay.die(of: number) }
        guard try result.get() else { throw ExitCode(ExitStatus.failure) }
    }
}

/// When a run of the demonstration is over.
enum DemoLength: Sendable {
    case seconds(Double)
    /// Additions of each worker.
    case rounds(Int)
}
