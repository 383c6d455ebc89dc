public import ArgumentParser
import CommandSupport
import Foundation
public import PostgresLock

/// `pglock run`: runs a command while holding a lock.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a command while holding a lock.",
        usage: """
            pglock run [<options>] <key> [<options>] [--] <command> [<argument> ...]
            pglock run [<options>] <key>
            """,
        discussion: RunHelp.discussion
    )

    @Argument(help: "The lock's name; with --number, the number itself, or two: 42, 1,42.")
    var key: String

    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp(
            "What to run; looked up in PATH, no shell involved. Without it, the lock is held until a signal.",
            valueName: "command"
        )
    )
    var command: [String] = []

    @Flag(exclusivity: .exclusive)
    var mode: LockMode?

    @Flag(name: [.customShort("n"), .long], help: "Don't wait for the lock: if it is taken, exit at once with CODE.")
    var nonblock = false

    @Option(
        name: [.customShort("w"), .long],
        help: ArgumentHelp("Wait no longer than this, such as 2 or 0.5; then exit with CODE.", valueName: "seconds")
    )
    var wait: Double?

    @Option(
        name: [.customShort("E"), .long],
        help: ArgumentHelp(
            "The status if -n or -w did not get the lock (default: 1), or if --once-per did not run the command (default: 0).",
            valueName: "code"
        )
    )
    var conflictExitCode: Int32?

    @Flag(help: "KEY is not a name, but the number of the lock, or two with a comma.")
    var number = false

    @Option(help: ArgumentHelp("The library whose key KEY has; see pglock key --help.", valueName: "scheme"))
    var scheme = KeyScheme.postgresqlLock

    @Flag(help: "Start the command in a process group of its own. Signals, and the end on a loss, go to all of its processes.")
    var processGroup = false

    @Option(
        help: ArgumentHelp(
            "If the lock is lost: how long the command may take to end after SIGTERM, before it gets SIGKILL.",
            valueName: "seconds"
        )
    )
    var killAfter = 10.0

    @Option(
        help: ArgumentHelp(
            "Let up to this many commands run at a time, instead of one; the same number everywhere.",
            valueName: "count"
        )
    )
    var slots: Int?

    @OptionGroup
    var once: OnceOptions

    @OptionGroup
    var connection: ConnectionOptions

    @OptionGroup
    var log: LogOptions

    func validate() throws {
        if let wait {
            try Seconds.require(wait >= 0 && wait <= Seconds.limit, "--wait", wait)
            if nonblock { throw ValidationError("--nonblock doesn't wait at all, so it can't be given together with --wait.") }
        }
        try Seconds.require(killAfter >= 0 && killAfter <= Seconds.limit, "--kill-after", killAfter)
        if let code = conflictExitCode, !(0...255).contains(code) {
            throw ValidationError("--conflict-exit-code is \(code); an exit status is a number from 0 to 255.")
        }
        if scheme != .postgresqlLock {
            for (isGiven, option) in [(number, "--number"), (once.oncePer != nil, "--once-per"), (slots != nil, "--slots")] where isGiven {
                throw ValidationError("--scheme is for the name of a lock; so \(option) can't be given with it.")
            }
        }
        if processGroup, command.isEmpty { throw ValidationError("--process-group needs a command to run.") }
        if once.oncePer != nil {
            for (isGiven, option) in [(wait != nil, "--wait"), (mode == .shared, "--shared"), (number, "--number")] where isGiven {
                throw ValidationError("--once-per takes a name, waits for nothing, and runs alone; so \(option) can't be given with it.")
            }
            if slots != nil { throw ValidationError("--once-per runs the command alone; so --slots can't be given with it.") }
            if command.isEmpty { throw ValidationError("--once-per needs a command to run.") }
        }
        if let slots {
            guard (1...1_000).contains(slots) else { throw ValidationError("--slots is \(slots); it is a number from 1 to 1000.") }
            for (isGiven, option) in [(mode == .shared, "--shared"), (number, "--number")] where isGiven {
                throw ValidationError("--slots takes a name, and each command has a slot of its own; so \(option) can't be given with it.")
            }
        }
        _ = try lockKey
    }

    func run() async throws {
        let key = try lockKey
        // The program is searched before the wait for the lock, so that a typing error is reported at once.
        let enclosing = EnclosingRuns(connection.parameters)
        let child =
            try command.isEmpty
            ? nil
            : LockedCommand(
                command,
                key: key,
                mode: mode ?? .exclusive,
                limit: slots,
                inNewGroup: processGroup,
                enclosing: enclosing
            )
        var configuration = connection.configuration
        once.adapt(&configuration)
        let manager = try LockManager(configuration: configuration, logger: log.logger)
        let run = LockedRun(
            manager: manager,
            key: key,
            mode: mode ?? .exclusive,
            timeout: nonblock ? .zero : wait.map { .seconds($0) },
            // With -n only the status is reported.
            explainsRefusal: !nonblock || log.verbose,
            enclosing: slots == nil ? enclosing.mode(of: key) : nil,
            enclosingSlot: slots.flatMap { enclosing.permit(of: key, limit: $0) },
            once: once.job(self.key),
            semaphore: try slots.map { try manager.semaphore(self.key, limit: $0) },
            child: child,
            killAfter: .seconds(killAfter)
        )
        switch try await run.run() {
        case .exit(let status): throw ExitCode(status)
        case .skipped(let skipped):
            if log.verbose { StandardError.print(skipped.message) }
            throw ExitCode(conflictExitCode ?? ExitStatus.success)
        case .signalled(let number): SignalRelay.die(of: number)
        case .failed(let error): throw failure(error)
        }
    }

    private var lockKey: LockKey {
        get throws {
            try RawText.require(key, "the lock's name")
            return try KeyText.parse(key, isNumber: number, scheme: scheme)
        }
    }

    /// As with flock(1), contention is not reported with -n, except by its status. Only contention has the status of -E: a server that does not
    /// answer has not said that the lock is taken.
    private func failure(_ error: any Error) -> any Error {
        guard let error = error as? LockError, error.code == .timedOut, nonblock || wait != nil else { return error }
        let status = conflictExitCode ?? ExitStatus.lockTaken
        return nonblock && !log.verbose ? ExitCode(status) : CommandFailure(status, error.message)
    }
}

extension SkippedRun {
    /// Why the command was not run.
    fileprivate var message: String {
        guard let claimedBy, let claimedAt else { return "Not run: the lock is taken, and no run is recorded." }
        let what = finishedAt != nil ? "ran it at" : isLocked ? "runs it since" : "began to run it at"
        let next = nextDue.map { "it is next due at \($0.ISO8601Format())" } ?? "the lock is taken"
        return "Not run: \(claimedBy) \(what) \(claimedAt.ISO8601Format()); \(next)."
    }
}

extension LockMode: EnumerableFlag {
    /// `-s` or `-x`.
    public static func name(for value: LockMode) -> NameSpecification {
        value == .shared ? .shortAndLong : [.customShort("x"), .long]
    }

    /// What the flag does.
    public static func help(for value: LockMode) -> ArgumentHelp? {
        value == .shared ? "Hold the lock together with other shared holders." : "Hold the lock alone; the default."
    }
}
