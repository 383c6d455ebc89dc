import ArgumentParser
import ChildProcesses
import CommandSupport
import Foundation
import PostgresLock

/// The program `pglock`.
@main
struct Pglock: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pglock",
        abstract: "Locks across machines, kept by PostgreSQL.",
        discussion: """
            A lock is a PostgreSQL advisory lock: it needs no table and no extension, and it is released as soon as the \
            process that holds it has ended, for any reason. Programs that use the Swift library PostgresLock, or Python's \
            postgresql-lock, with the same name and the same database wait for each other and for pglock.

            EXAMPLES:
              pglock run nightly-report -- ./report.sh     wait for the lock, then run
              pglock run -n nightly-report ./report.sh     don't run if the lock is taken
              pglock run --once-per 24h nightly ./report.sh    once a day, though cron starts it everywhere
              pglock key nightly-report                    the number that pg_locks shows
              pglock who nightly-report                    who holds it, who waits for it?
              pglock ps                                    all locks, their holders, and who waits
              pglock kick nightly-report                   ask its holder to release it
              pglock doctor                                is the server fit for locks?

            The server is named by --url, or by the environment: PGLOCK_URL, or libpq's PGHOST, PGDATABASE, PGUSER and so on.
            """,
        version: "0.1.0",
        subcommands: [
            RunCommand.self, KeyCommand.self, SchemaCommand.self, ElectCommand.self, LeaderCommand.self, ResignCommand.self,
            WhoCommand.self, PsCommand.self, TopCommand.self, GraphCommand.self, KickCommand.self, DoctorCommand.self,
        ]
    )

    /// On the main actor, because only the main thread still has the signal mask that the process was started with.
    @MainActor
    static func main() async {
        _ = SignalMask.inherited
        CommandLauncher.becomeCommand()
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            if FirstProcess.isThisOne { Foundation.exit(try await FirstProcess.run()) }
            var command = try parseAsRoot(RunArguments.normalize(arguments))
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            // A full disk behind standard output is noticed here only.
            guard fflush(nil) == 0 else { throw SystemFailure("Standard output can't be written", errno) }
            Foundation.exit(ExitStatus.success)
        } catch {
            exit(with: error)
        }
    }

    /// Prints the error on one line, and exits with its status.
    private static func exit(with error: any Error) -> Never {
        switch error {
        case let error as CommandFailure:
            StandardError.print(error.message)
            Foundation.exit(error.status)
        case let failure as SystemFailure:
            StandardError.print(failure.description)
            Foundation.exit(ExitStatus.systemError)
        case let error as LockError:
            StandardError.print(error.message)
            Foundation.exit(ExitStatus.of(error))
        default:
            let status = exitCode(for: error)
            let text = Redaction.redact(fullMessage(for: error))
            // Empty for the command's own status.
            if !text.isEmpty { _ = Descriptor.write(text + "\n", to: status.isSuccess ? STDOUT_FILENO : STDERR_FILENO) }
            Foundation.exit(status.rawValue)
        }
    }
}
