import ArgumentParser
import ChildProcesses
import CommandSupport
import Foundation
import PostgresLock
import PostgresLockTesting

/// The program of `make demo`: shows on a temporary server what a lock prevents.
@main
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "LockDemo",
        abstract: "Demonstrates on a temporary server what a lock prevents.",
        usage: "swift run LockDemo [<options>]",
        discussion: """
            Starts a PostgreSQL server in a temporary folder, and several processes that add 1 to the same counter: each \
            reads it, waits 2 ms, and writes the value plus 1. First they do so under a lock, then without. After half of \
            each run, one process is killed by SIGKILL between its read and its write.

            Each process also inserts a row into a journal for each addition, in the transaction that changes the counter. \
            So the number of lost updates is exact: the rows of the journal minus the counter.

            At the end, a process that holds a lock is stopped by SIGSTOP for longer than its lease. When it continues, \
            another process has had the lock. It writes all the same, and the write is refused because its fencing token is \
            lower than the other's.

            Needs PostgreSQL's server programs (initdb, postgres). PGLOCK_POSTGRES_BIN names their folder if they are not \
            found. The server and its files are removed at the end, also after Ctrl-C.

            EXIT STATUS:
              0   no update was lost with the lock, some were without it, and the late write was refused
              1   one of these results was different, or the demonstration failed
             69   the server could not be started
            """,
        subcommands: [DemoWorkerCommand.self, StaleHolderCommand.self]
    )

    @Option(help: ArgumentHelp("The number of processes, 2 to 32.", valueName: "number"))
    var workers = 4

    @Option(help: ArgumentHelp("The length of each of the two runs.", valueName: "seconds"))
    var seconds = 4.0

    @Option(help: ArgumentHelp("The lease of the process that is stopped.", valueName: "seconds"))
    var lease = 1.0

    @Flag(help: "Print plain lines, as if standard output were not a terminal.")
    var plain = false

    func validate() throws {
        guard (2...32).contains(workers) else { throw ValidationError("--workers is \(workers); it has to be from 2 to 32.") }
        guard (0.5...3600).contains(seconds) else { throw ValidationError("--seconds is \(seconds); it has to be from 0.5 to 3600.") }
        guard (1...3600).contains(lease) else { throw ValidationError("--lease is \(lease); it has to be from 1 to 3600 seconds.") }
    }

    func run() async throws {
        let relay = try SignalRelay()
        // Writing to a worker that has just been killed must be an error, not a signal that ends the demonstration.
        signal(SIGPIPE, SIG_IGN)
        let display = TerminalDisplay(plain: plain, workers: workers) ?? PlainDisplay() as any DemoDisplay
        let demo = Demo(workers: workers, seconds: seconds, lease: lease, display: display)
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

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            fail(failure.message, failure.status)
        } catch let failure as SystemFailure {
            fail(failure.description, ExitStatus.systemError)
        } catch let error as LockError {
            fail(error.message, ExitStatus.failure)
        } catch let error as EphemeralPostgresError {
            fail(error.message, ExitStatus.unavailable)
        } catch {
            exit(withError: error)
        }
    }

    private static func fail(_ message: String, _ status: Int32) -> Never {
        _ = Descriptor.write("LockDemo: \(message)\n", to: STDERR_FILENO)
        Foundation.exit(status)
    }
}
