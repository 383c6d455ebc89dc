import ArgumentParser
import CommandSupport
import Foundation
import LockCore
import PostgresLock

/// `pglock who`: says who holds a lock, and who waits for it.
struct WhoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "who",
        abstract: "Say who holds a lock, since when, and who waits for it.",
        usage: "pglock who [<options>] <name> ...",
        discussion: """
            Names the sessions of all programs that hold the lock, and those that wait for it in their order: the application_name \
            (program, host and process, unless it was given another one), the process on the server, since when, the role, the address, \
            what the session does, and how many other locks it holds. It takes no lock, and works with the rights of any role. \
            Addresses and states of other roles' sessions are shown to members of pg_read_all_stats.

            The server does not know since when a lock is held. pglock and the Swift library publish it after ten seconds; of other \
            holders it is only known that the session, or its transaction, is not older than that. A wait inside a process, for a lock that another of \
            its tasks has, is not seen.

            To end a holder, see pglock kick.

            EXAMPLES:
              $ pglock who orders:42
              orders:42 (1127154695574559308)
                held by   orders@web-3:4711 #k7q2m  pid 71  exclusive  since 3 min 12 s
                          app, 10.0.0.3:40122, idle; this session holds 12 other locks: pglock ps --pid 71
                1. waits  orders@web-1:4823 #p3xw0  pid 78  exclusive  for 2 min 50 s

            EXIT STATUS:
                0  a session holds one of the locks, or waits for it
                1  no session does
               64  the command line is invalid
               69  the server can't be reached
               77  the server refuses user or password
               78  the URL is invalid
            """
    )

    @Argument(help: "The locks' names.")
    var locks: [String]

    @Flag(help: "Take each name as a number, or as two with a comma.")
    var number = false

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup
    var nameOptions: NameOptions

    @OptionGroup
    var connection: ConnectionOptions

    func validate() throws {
        for lock in locks {
            try RawText.require(lock, "the lock's name")
            _ = try nameOptions.key(lock, isNumber: number)
        }
    }

    func run() throws {
        let server = try LookSession(connection)
        let keys = try locks.map { try nameOptions.key($0, isNumber: number) }
        let names = try nameOptions.known(number ? [] : locks, database: server.database)
        let found = try server.find(LockLook(keys: keys.map(\.advisory)))
        if json {
            if let note = found.standbyNote { StandardError.print(note) }
            print(try found.locks.map { LockRecord($0, names) }.json())
        } else {
            let others = try OtherLocks(of: found.locks, server)
            for (lock, key) in zip(locks, keys) {
                let report = LockReport(key.advisory, found, names, others)
                print(report.text)
                if report.isEmpty { print("  \(nameOptions.adviceForMissing(lock, isNumber: number))") }
            }
            if let note = found.standbyNote { print(note) }
        }
        if found.locks.isEmpty { throw ExitCode(ExitStatus.failure) }
    }
}
