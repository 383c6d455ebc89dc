import Foundation
import PostgresLockTesting

/// Starts a server, says where it is, and then ends without removing it, or waits to be killed. For the tests of what
/// stays behind.
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
