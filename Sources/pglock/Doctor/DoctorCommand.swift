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
            Connects as the library does, and says of each thing that locks depend on what it has found, and what to do \
            about it:

              reachable    whether host, user, password and database are right
              version      whether the server is new enough
              primary      whether it is a primary: a standby's locks are its own
              pooling      whether a pooler in between lets sessions keep their locks
              exclusion    whether what one session has locked another can't lock
              lock         whether a lock manager gets a lock, and what it warns of
              lock-table   for how many locks the server has room
              connections  whether there are enough for a manager
              timeouts     which are set for the role, the database or the server
              encryption   whether the connection is encrypted
              keepalives   after how long the server notices a dead client
              privileges   whether the role may call what locks need
              round-trip   how long an answer takes, in the median

            Nothing is changed, and no other client notices: the checks take a few connections for a moment, and \
            advisory locks with random keys. No password is printed.

            With --json an object: "fit", which is false if a check has failed, and "checks", an array of objects with \
            "check", "state" (ok, warning, failed), "finding", and "advice" where there is one.

            EXAMPLES:
              pglock doctor postgres://app@db/app
              PGLOCK_URL=… pglock doctor --json | jq -r '.checks[] | .finding'

            EXIT STATUS:
                0  locks work there; there may be warnings
                2  a check has failed
               64  the command line makes no sense
               78  the URL makes no sense
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
        let limit = Duration.seconds(connection.connectTimeout)
        let examination = ServerExamination(connection.parameters, limit: limit)
        let diagnosis = Diagnosis(await examination.findings(and: LockTrial(connection.configuration)))
        print(json ? try diagnosis.json() : diagnosis.text)
        if !diagnosis.isFit { throw ExitCode(ExitStatus.unfit) }
    }
}
