import ArgumentParser
import CommandSupport
import Foundation
import LibPQ
import LockCore
import PostgresLock

/// `pglock kick`: asks the holder of a lock for its release, or ends its session.
struct KickCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kick",
        abstract: "Ask the holder of a lock to release it; as the last means, end its session.",
        usage: "pglock kick [<options>] <name>",
        discussion: """
            Shows who holds the lock and what else that session holds, and asks whether to go on. Then it requests the release, and waits \
            until the lock is released:

            - A program that uses the Swift library sees the request within about a second. The body that holds the lock is cancelled, and \
            nothing else: the program's other locks stay. When the body ends is its own affair.
            - pglock run ends its command by SIGTERM, pglock elect as for pglock resign.
            - Other programs don't see the request.

            With --terminate, a session that has not released the lock in time is ended (pg_terminate_backend). That takes everything along that \
            the session holds, mostly all locks of its process. It needs the rights of the session's role, or pg_signal_backend.

            Each role that can connect to the database can ask. The request ends with this command.

            EXAMPLES:
              pglock kick orders:42                     show, ask, and request
              pglock kick --yes --wait 30 orders:42     without a question, and with patience
              pglock kick --terminate orders:42         if the request is of no use

            EXIT STATUS:
                0  the lock is released, or its session is ended
                1  no session holds the lock, or the answer was no
               64  the command line is invalid, or there is no terminal to ask on
               69  the server can't be reached
               75  the holder has not released the lock in time
               77  the server refuses user or password, or that this role ends the session
               78  the URL is invalid
            """
    )

    @Argument(help: "The lock's name.")
    var lock: String

    @Flag(help: "Take the name as a number, or as two with a comma.")
    var number = false

    @Flag(name: .shortAndLong, help: "Don't ask whether to go on.")
    var yes = false

    @Option(name: .shortAndLong, help: ArgumentHelp("How long to wait for the release.", valueName: "seconds"))
    var wait = 10.0

    @Option(help: ArgumentHelp("Only the holder with this process of the server, if the lock is shared.", valueName: "pid"))
    var pid: Int32?

    @Flag(help: "End the session if it has not released the lock in time.")
    var terminate = false

    @OptionGroup
    var nameOptions: NameOptions

    @OptionGroup
    var connection: ConnectionOptions

    @OptionGroup
    var log: LogOptions

    func validate() throws {
        try RawText.require(lock, "the lock's name")
        try Seconds.require(wait > 0 && wait <= Seconds.limit, "--wait", wait)
        _ = try nameOptions.key(lock, isNumber: number)
    }

    func run() async throws {
        let key = try nameOptions.key(lock, isNumber: number)
        let server = try LookSession(connection)
        let names = try nameOptions.known(number ? [] : [lock], database: server.database)
        let found = try server.find(LockLook(keys: [key.advisory]))
        let report = LockReport(key.advisory, found, names, try OtherLocks(of: found.locks, server))
        let holders = report.holders.filter { pid == nil || $0.session.processID == pid }
        guard !holders.isEmpty else {
            throw CommandFailure(
                ExitStatus.failure,
                "no session holds \(names.full(key.advisory))" + (pid.map { " as process \($0)" } ?? "") + ". "
                    + nameOptions.adviceForMissing(lock, isNumber: number)
            )
        }
        print(report.text)
        if let note = found.standbyNote { print(note) }
        try confirm(holders)
        do {
            let start = ContinuousClock.now
            try await request(key, holders.count)
            print("released after \(Age.text(start.duration(to: .now) / .seconds(1)))")
            showHolders(of: key, names, server)
        } catch let error as LockError where error.code == .timedOut && terminate {
            StandardError.print(error.message)
            for holder in holders { try end(holder, server) }
        }
    }

    /// Whether the release was of use is seen by who has the lock now. The release has succeeded, also if that can't be found out.
    private func showHolders(of key: LockKey, _ names: KeyNames, _ server: LookSession) {
        do {
            print("now: " + LockReport(key.advisory, try server.find(LockLook(keys: [key.advisory])), names, nil).text)
        } catch {
            StandardError.print("Who has it now could not be found out: \((error as? CommandFailure)?.message ?? "\(error)")")
        }
    }

    private func confirm(_ holders: [SeenLock]) throws {
        guard !yes else { return }
        guard isatty(STDIN_FILENO) == 1 else {
            throw CommandFailure(ExitStatus.usage, "There is no terminal to ask on. Add --yes to go on without a question.")
        }
        let whom = holders.count == 1 ? "this holder" : "these \(holders.count) holders"
        let means =
            terminate
            ? "After \(Age.text(wait)) without a release, its session is ended, with all that it holds."
            : "What runs under the lock is asked to end, and nothing else; \(Age.text(wait)) are waited for that at most."
        print("\(means)\nAsk \(whom) to release the lock? [y/N] ", terminator: "")
        fflush(nil)
        guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else { throw ExitCode(ExitStatus.failure) }
    }

    private func request(_ key: LockKey, _ count: Int) async throws {
        var configuration = connection.configuration
        // The shared session, and one for each holder that is asked and the look before.
        configuration.pool.maximumConnections = 3 + count
        let manager = try LockManager(configuration: configuration, logger: log.logger)
        do {
            try await manager.requestRelease(of: key, from: pid, timeout: .seconds(wait))
            await manager.shutdown(gracePeriod: .zero)
        } catch {
            await manager.shutdown(gracePeriod: .zero)
            throw error
        }
    }

    /// Ends the session that was shown, if it is the same and holds the lock still.
    private func end(_ holder: SeenLock, _ server: LookSession) throws {
        guard let pid = holder.session.processID else {
            let identifier = Clean.text(holder.session.name).replacing("'", with: "''")
            throw CommandFailure(
                ExitStatus.tryAgain,
                "The lock is held by a prepared transaction, which only SQL ends, in this database: ROLLBACK PREPARED '\(identifier)'."
            )
        }
        let (high, low, space) = holder.key.shown
        let name = holder.session.name.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let result = try server.ask(
            """
            \(LockLook.setting); SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
            WHERE l.pid = \(pid) AND l.granted AND l.locktype = 'advisory' AND l.classid::int8 = \(high) AND l.objid::int8 = \(low)
            AND l.objsubid = \(space) AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND a.application_name = convert_from(decode('\(name)', 'hex'), 'UTF8')
            """
        )
        print(result.rowCount > 0 ? "ended the session of process \(pid)" : "process \(pid) does not hold the lock any more")
    }
}
