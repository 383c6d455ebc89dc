import Foundation
import Testing

@testable import PostgresLockTesting

@Suite("Failures to start a temporary server")
struct EphemeralPostgresFailureTests {
    @Test("an error about missing server programs names the folder that was searched and how to install them")
    func missingBinaries() async throws {
        let error = await #expect(throws: EphemeralPostgresError.self) {
            try await EphemeralPostgres.start(.init(binaryDirectory: "/nonexistent/bin"))
        }
        #expect(error?.code == .binariesNotFound)
        let message = error?.message ?? ""
        for hint in ["/nonexistent/bin", "PGLOCK_POSTGRES_BIN", "apt-get install postgresql"] {
            #expect(message.contains(hint))
        }
    }

    @Test("an error about inaccessible server programs names the account that has to run them")
    func unreachableBinaries() async throws {
        let account = try ServerAccount.current()
        guard !account.launcher.isEmpty else { return }
        let real = try await PostgresBinaries.locate(directory: nil, account: account)
        let hidden = try TemporaryFolder()
        defer { hidden.remove() }
        for program in ["initdb", "postgres"] {
            try FileManager.default.createSymbolicLink(
                atPath: "\(hidden.path)/\(program)",
                withDestinationPath: "\(real.directory)/\(program)"
            )
        }
        let error = await #expect(throws: EphemeralPostgresError.self) {
            try await EphemeralPostgres.start(.init(binaryDirectory: hidden.path))
        }
        #expect(error?.code == .binariesUnusable)
        #expect(error?.message.contains(account.name) == true)
    }

    @Test("an error of a server that fails to start shows the end of the server's log")
    func badSetting() async throws {
        let error = await #expect(throws: EphemeralPostgresError.self) {
            try await EphemeralPostgres.start(.init(settings: ["max_connections": "none at all"]))
        }
        #expect(error?.code == .startFailed)
        #expect(error?.serverLogTail?.contains("max_connections") == true)
        #expect(error.map { "\($0)".contains("none at all") } == true)
    }

    @Test("settings with a reserved or invalid name are refused", arguments: ["port", "Listen_Addresses", "", "a = b\nfsync"])
    func reservedSettings(name: String) async throws {
        let error = await #expect(throws: EphemeralPostgresError.self) {
            try await EphemeralPostgres.start(.init(settings: [name: "1"]))
        }
        #expect(error?.code == .invalidOption)
    }

    @Test("cancelling the start of a server throws a CancellationError or comes too late")
    func cancelledStart() async throws {
        for delay in [0, 5, 50, 150] {
            let start = Task { try await EphemeralPostgres.start() }
            try await Task.sleep(for: .milliseconds(delay))
            start.cancel()
            // If the cancellation came too late, the server is running and has to be removed.
            switch await start.result {
            case .success(let server): await server.remove()
            case .failure(let error): #expect(error is CancellationError, "\(error)")
            }
        }
    }
}
