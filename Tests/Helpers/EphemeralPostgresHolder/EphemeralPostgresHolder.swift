import Foundation
import PostgresLockTesting

/// Starts a temporary server and prints its process id and folder. Then exits without removing it (`--exit`), or waits to be killed.
/// The tests check that the cleanup process removes the server in both cases.
@main
enum EphemeralPostgresHolder {
    static func main() async throws {
        let server = try await EphemeralPostgres.start()
        guard let processIdentifier = await server.processIdentifier else { return }
        print("\(processIdentifier) \(server.socketDirectory)")
        fflush(nil)
        if CommandLine.arguments.contains("--exit") { exit(0) }
        try await Task.sleep(for: .seconds(600))
        await server.remove()
    }
}
