import ArgumentParser
import CommandSupport
import Foundation
import PostgresLock

/// `pglock ps`: lists advisory locks.
struct PsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ps",
        abstract: "List the advisory locks of a database, and who waits for them.",
        discussion: """
            Lists the locks of all programs in the database, held and waited for; those that are waited for come first. It takes no lock, \
            and works with the rights of any role. Times, addresses and states of other roles' sessions are shown to members of \
            pg_read_all_stats, otherwise "-".

              LOCK      the name if it is known (--names, --name), else the number, or the pair of numbers
              SINCE     for how long the session waits (PostgreSQL 14 and later), or holds the lock. The server does not know the \
            latter; pglock and the Swift library publish it after ten seconds. "< 2 h": the session is 2 hours old
              PID       the session's process on the server
              INSTANCE  the session's application_name: program, host and process, unless it was given another one

            Of several hosts in the URL a primary is asked. A standby has locks of its own, and says so. \
            A wait inside a process, for a lock that another of its tasks has, is not seen. With 100,000 locks on the server a look \
            takes it 0.2 to 0.5 s: --watch pauses for twenty times as long, up to 20 s.

            EXAMPLES:
              pglock ps                            the first 100 locks
              pglock ps --waited --watch 2         what is waited for, every two seconds
              pglock ps --name orders:42 --instance web-3
              pglock ps --json --limit 0 | jq -r '.[] | select(.state == "waits") | .instance'

            EXIT STATUS:
                0  also if there are no locks
               64  the command line is invalid
               69  the server can't be reached
               77  the server refuses user or password
               78  the URL is invalid
            """
    )

    @Flag(help: "Only locks that sessions wait for.")
    var waited = false

    @Option(help: ArgumentHelp("Only this lock; several times for several.", valueName: "name"))
    var name: [String] = []

    @Option(help: ArgumentHelp("Only locks of this process of the server; several times for several.", valueName: "pid"))
    var pid: [Int32] = []

    @Option(help: ArgumentHelp("Only locks of sessions whose application_name contains this.", valueName: "text"))
    var instance: String?

    @Option(help: ArgumentHelp("The most locks; 0 for all.", valueName: "count"))
    var limit = 100

    @Flag(help: "Print JSON.")
    var json = false

    @Option(help: ArgumentHelp("List again after so many seconds, until Ctrl-C.", valueName: "seconds"))
    var watch: Double?

    @OptionGroup
    var nameOptions: NameOptions

    @OptionGroup
    var connection: ConnectionOptions

    func validate() throws {
        if let watch { try Seconds.require(watch > 0 && watch <= Seconds.limit, "--watch", watch) }
        guard limit >= 0 else { throw ValidationError("--limit is \(limit); it has to be a number of locks, or 0 for all.") }
        for name in self.name { try RawText.require(name, "the lock's name") }
    }

    func run() throws {
        let server = try LookSession(connection)
        let names = try nameOptions.known(name, database: server.database)
        var look = LockLook(keys: name.isEmpty ? nil : try name.map { try nameOptions.key($0, isNumber: false).advisory })
        look.isContendedOnly = waited
        look.processIDs = pid
        look.namePart = instance
        look.limit = limit == 0 ? nil : limit
        while true {
            let begin = ContinuousClock.now
            let found = try server.find(look)
            let cost = ContinuousClock.now - begin
            if json, let note = found.standbyNote { StandardError.print(note) }
            print(json ? try found.locks.map { LockRecord($0, names) }.json() : LockList(found, names).text)
            guard let watch else { return }
            fflush(nil)
            Thread.sleep(forTimeInterval: max(watch, LookPause.after(cost) / .seconds(1)))
            if !json { print() }
        }
    }
}
