import Foundation
import Testing

@testable import PostgresLockTesting

@Suite("A throwaway server that can't be had")
struct EphemeralPostgresFailureTests {
    @Test("says where the programs were looked for and how to get them")
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

    @Test("says that the account which must run the programs can't reach them")
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

    @Test("shows the end of the server's log")
    func badSetting() async throws {
        let error = await #expect(throws: EphemeralPostgresError.self) {
            try await EphemeralPostgres.start(.init(settings: ["max_connections": "none at all"]))
        }
        #expect(error?.code == .startFailed)
        #expect(error?.serverLogTail?.contains("max_connections") == true)
        #expect(error.map { "\($0)".contains("none at all") } == true)
    }

    @Test("refuses settings that are not the user's to make", arguments: ["port", "Listen_Addresses", "", "a = b\nfsync"])
    func reservedSettings(name: String) async throws {
        let error = await #expect(throws: EphemeralPostgresError.self) {
            try await EphemeralPostgres.start(.init(settings: [name: "1"]))
        }
        #expect(error?.code == .invalidOption)
    }

    @Test("leaves nothing behind when its start is cancelled")
    func cancelledStart() async throws {
        for delay in [0, 5, 50, 150] {
            let start = Task { try await EphemeralPostgres.start() }
            try await Task.sleep(for: .milliseconds(delay))
            start.cancel()
            // Whichever was first: what was started is removed, what was not has removed itself.
            switch await start.result {
            case .success(let server): await server.remove()
            case .failure(let error): #expect(error is CancellationError, "\(error)")
            }
        }
    }
}
