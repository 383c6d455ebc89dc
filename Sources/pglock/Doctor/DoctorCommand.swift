import ArgumentParser
import CommandSupport
import PostgresLock

/// `pglock doctor`: whether a server, and the way to it, are fit for locks.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Find out whether a server is fit for locks.",
        usage: "pglock doctor [<options>] [<url>]",
        discussion: """
            Connects as the library does, checks what locks depend on, and says what it has found and what to do about it:

              reachable    whether host, user, password and database are right
              version      whether the server is new enough
              primary      whether it is a primary: a standby's locks are its own
              pooling      whether sessions keep their locks behind a pooler
              servers      whether all connections lead to the same server
              exclusion    whether what one session has locked others can't lock
              lock         whether a lock manager can take locks, and its warnings
              visibility   whether other sessions can see who holds a lock
              cancelling   whether waits for locks can be ended
              lock-table   how many locks the server has room for
              connections  whether there are enough for a lock manager
              timeouts     which timeouts the role, the database or the server set
              encryption   whether the connection is encrypted
              keepalives   when the server notices a dead client
              privileges   whether the role may call the functions that locks need
              round-trip   the median time of an answer

            Each check tries what it is about, and goes by no product's name. Nothing is changed, and no other client is affected: the \
            checks make about twenty connections, up to five at a time, and take advisory locks with random keys. No password is printed.

            With --json an object: "fit", which is false if a check has failed, and "checks", an array of objects with \
            "check", "state" (ok, warning, failed), "finding", and "advice" where there is one.

            EXAMPLES:
              pglock doctor postgres://app@db/app
              PGLOCK_URL=… pglock doctor --json | jq -r '.checks[] | .finding'

            EXIT STATUS:
                0  locks work there; there may be warnings
                2  a check has failed
               64  the command line is invalid
               78  the URL is invalid
            """
    )

    @Argument(help: ArgumentHelp("The same as --url.", valueName: "url"))
    var address: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup
    var connection: ConnectionOptions

    func validate() throws {
        guard address == nil || connection.url == nil else {
            throw ValidationError("The URL is given twice, by --url and without. Give it once.")
        }
    }

    func run() async throws {
        var connection = connection
        connection.url = address ?? connection.url
        try connection.configuration.validate()
        let checks = DoctorChecks(parameters: connection.parameters, limit: .seconds(connection.connectTimeout))
        let diagnosis = Diagnosis(await checks.findings(and: LockTrial(configuration: connection.configuration)))
        print(json ? try diagnosis.json() : diagnosis.text)
        if !diagnosis.isFit { throw ExitCode(ExitStatus.unfit) }
    }
}
