import ArgumentParser
import CommandSupport
import PostgresLock

/// `pglock elect`: runs a command on one machine at a time.
struct ElectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "elect",
        abstract: "Run a command while leading, on one machine at a time.",
        usage: "pglock elect [<options>] <key> [--] <command> [<argument> ...]",
        discussion: """
            Run it on several machines: one of them leads, and runs the command. The others stand by, and one of them takes over \
            within about a second when the leader ends, or after 30 seconds when it is frozen or cut off.

            The leader is the holder of the lock KEY, so that run and elect with the same KEY exclude each other. A stand-by does not \
            wait in the server's queue, but tries about twice a second; it may stand by for months.

            The command gets what pglock run gives it: streams, signals, PGLOCK_KEY and so on.

            - If the command ends by itself, pglock ends with its status, and another machine takes over.
            - If the lead is lost, or pglock resign asks for it, the command gets SIGTERM, and SIGKILL after --kill-after. The lead \
            is let go of once the command has ended. After a pause of 2 to 3 seconds pglock stands by again.
            - A signal goes to the command, and pglock ends with it. While pglock stands by, the signal ends it.

            EXAMPLES:
              pglock elect scheduler -- ./scheduler     on each machine
              pglock leader scheduler                   which machine leads?
              pglock resign scheduler                   have another one lead

            EXIT STATUS:
              That of the command if it has ended by itself, or 128 + n if signal n has ended it or pglock; otherwise
               64   the command line is invalid
               69   the server can't be reached, or is unfit for locks, when pglock starts
               71   the operating system refused something
               77   the server refuses user or password
               78   the URL is invalid
              126   the command can't be executed
              127   the command does not exist
              Once pglock stands by or leads, an outage of the server does not end it.
            """
    )

    @Argument(help: "The election's name, which is that of the lock.")
    var key: String

    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp("What to run; looked up in PATH, no shell involved.", valueName: "command")
    )
    var command: [String] = []

    @Option(
        help: ArgumentHelp(
            "How long the command may take to end after SIGTERM, before it gets SIGKILL.",
            valueName: "seconds"
        )
    )
    var killAfter = 10.0

    @OptionGroup
    var connection: ConnectionOptions

    @OptionGroup
    var log: LogOptions

    func validate() throws {
        try Seconds.require(killAfter >= 0 && killAfter <= Seconds.limit, "--kill-after", killAfter)
        if command.isEmpty { throw ValidationError("There is no command to run while leading. To hold a lock only, use pglock run.") }
        _ = try lockKey
    }

    func run() async throws {
        let key = try lockKey
        let enclosing = EnclosingRuns(connection.parameters)
        let child = try LockedCommand(command, key: key, enclosing: enclosing)
        let manager = try LockManager(configuration: connection.configuration, logger: log.logger)
        let run = ElectedRun(
            manager: manager,
            key: key,
            name: self.key,
            isEnclosed: enclosing.hold(key),
            child: child,
            killAfter: .seconds(killAfter)
        )
        switch try await run.run() {
        case .exit(let status): throw ExitCode(status)
        case .signalled(let number): SignalRelay.die(of: number)
        }
    }

    private var lockKey: LockKey {
        get throws {
            try RawText.require(key, "the election's name")
            return try KeyText.parse(key, isNumber: false)
        }
    }
}
