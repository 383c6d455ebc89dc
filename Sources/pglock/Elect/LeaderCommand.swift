import ArgumentParser
import CommandSupport
import Foundation
import PostgresLock

/// `pglock leader`: says which session leads.
struct LeaderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leader",
        abstract: "Print which session leads an election.",
        discussion: """
            Prints the session's application_name (program, host and process unless PGAPPNAME or the URL sets it), its process on the \
            server, and since when it leads. Any role may see that.

            EXIT STATUS:
                0   a session leads
                1   no session leads
              As for pglock elect otherwise.
            """
    )

    @Argument(help: "The election's name.")
    var key: String

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup
    var connection: ConnectionOptions

    func validate() throws {
        try RawText.require(key, "the election's name")
        _ = try KeyText.parse(key, isNumber: false)
    }

    func run() async throws {
        let manager = try LockManager(configuration: connection.configuration)
        let leader = try await manager.leader(of: key)
        await manager.shutdown(gracePeriod: .zero)
        guard let leader else {
            if json { print("null") } else { StandardError.print("no session leads \(key)") }
            throw ExitCode(ExitStatus.failure)
        }
        print(json ? try LeaderRecord(leader).json() : leader.line)
    }
}

/// A leader, as `pglock leader --json` prints it.
private struct LeaderRecord: Encodable {
    let name: String
    let pid: Int32
    let since: String?

    init(_ leader: Leader) {
        name = leader.name
        pid = leader.processID
        since = leader.since?.ISO8601Format()
    }
}

extension Leader {
    /// For people, on one line.
    var line: String { "\(name) (process \(processID) of the server)" + (since.map { ", since \($0.ISO8601Format())" } ?? "") }
}
