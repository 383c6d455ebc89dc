import ArgumentParser
import Foundation
import LibPQ
import PostgresLock

/// The options for the server, and how long to try to connect.
struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The server and database; default: PGLOCK_URL, else PGHOST, PGDATABASE …",
            discussion: """
                postgres://user@host/database, or "host=… dbname=…". Other users of this machine can see it in the list \
                of processes, so put a password into PGLOCK_URL, PGPASSWORD or ~/.pgpass.
                """,
            valueName: "url"
        )
    )
    var url: String?

    @Option(
        help: ArgumentHelp("How long to try to reach the server.", valueName: "seconds")
    )
    var connectTimeout = 5.0

    func validate() throws {
        if let url, url.allSatisfy(\.isWhitespace) {
            throw ValidationError("--url is empty; without it, PGLOCK_URL or the PG* environment variables say where the server is.")
        }
        if let url { try RawText.require(url, "the URL") } else { try RawText.requireVariable("PGLOCK_URL") }
        try Seconds.require(connectTimeout > 0 && connectTimeout <= Seconds.limit, "--connect-timeout", connectTimeout)
    }

    private var string: String? {
        let environment = ProcessInfo.processInfo.environment["PGLOCK_URL"]
        return url ?? environment.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The options without the library.
    var parameters: ConnectionParameters {
        ConnectionParameters(string: string ?? "", applicationName: "pglock")
    }

    /// The options as the library wants them.
    var configuration: LockManager.Configuration {
        var configuration = LockManager.Configuration(url: string)
        configuration.timeouts.connect = .seconds(connectTimeout)
        configuration.timeouts.unreachable = .seconds(connectTimeout)
        // The shared session, and one for a wait.
        configuration.pool.maximumConnections = 2
        return configuration
    }
}
