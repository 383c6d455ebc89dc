import ArgumentParser
import CommandSupport
import PostgresLock

/// `pglock resign`: asks the leader to step down.
struct ResignCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resign",
        abstract: "Ask the leader of an election to step down.",
        usage: "pglock resign [<options>] <key>",
        discussion: """
            Asks the leader, on whichever machine it is, and waits until it leads no more. A leader by pglock elect ends its command by \
            SIGTERM. A program decides itself; see the documentation of the library. After that, another machine leads if one stands \
            by. Each role that can connect to the database can ask.

            The request is for the present term only, and ends with this command.

            EXIT STATUS:
                0   the leader has stepped down
                1   no session leads
               75   the leader did not step down in time
              As for pglock elect otherwise.
            """
    )

    @Argument(help: "The election's name.")
    var key: String

    @Option(
        name: [.customShort("w"), .long],
        help: ArgumentHelp("How long to wait for the leader to step down.", valueName: "seconds")
    )
    var wait = 30.0

    @OptionGroup
    var connection: ConnectionOptions

    @OptionGroup
    var log: LogOptions

    func validate() throws {
        try RawText.require(key, "the election's name")
        try Seconds.require(wait > 0 && wait <= Seconds.limit, "--wait", wait)
        _ = try KeyText.parse(key, isNumber: false)
    }

    func run() async throws {
        var configuration = connection.configuration
        // The shared session, one if the request has to wait, and one to look which session leads.
        configuration.pool.maximumConnections = 3
        let manager = try LockManager(configuration: configuration, logger: log.logger)
        do {
            let leader = try await manager.requestStepDown(of: key, timeout: .seconds(wait))
            await manager.shutdown(gracePeriod: .zero)
            guard let leader else { throw CommandFailure(ExitStatus.failure, "no session leads \(key)") }
            if log.verbose { StandardError.print("stepped down: \(leader.line)") }
        } catch let error as LockError {
            await manager.shutdown(gracePeriod: .zero)
            throw error
        }
    }
}
