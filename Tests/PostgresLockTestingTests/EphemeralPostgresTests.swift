import Foundation
import PostgresLockTesting
import Testing

@Suite("A temporary server")
struct EphemeralPostgresTests {
    @Test("a temporary server starts, answers queries and has the version, folders and socket that it reports")
    func answers() async throws {
        try await EphemeralPostgres.withServer { server async throws in
            #expect(try await server.query("SELECT 1, 'one'") == [["1", "one"]])
            #expect(try await server.query("SHOW server_version").first?.first??.hasPrefix(server.serverVersion) == true)
            #expect(try await server.query("SHOW data_directory") == [[server.dataDirectory]])
            #expect(FileManager.default.fileExists(atPath: "\(server.socketDirectory)/.s.PGSQL.\(server.port)"))
            #expect(FileManager.default.isExecutableFile(atPath: "\(server.binaryDirectory)/initdb"))
            #expect(try server.serverLog().contains("database system is ready to accept connections"))
            #expect(try await server.query("SHOW listen_addresses") == [[""]])
        }
    }

    @Test("the body of withServer runs on the caller's actor and can use its values")
    @MainActor
    func isolation() async throws {
        let counter = Counter()
        let result = try await EphemeralPostgres.withServer { server in
            MainActor.assertIsolated()
            counter.value += try await server.query("SELECT 1").count
            return counter
        }
        #expect(result.value == 1)
    }

    @Test("a temporary server has the given settings, and fast defaults for the others")
    func settings() async throws {
        let settings = ["max_locks_per_transaction": "10", "max_connections": "21", "application.note": #"it's a \ test"#]
        try await EphemeralPostgres.withServer(.init(settings: settings)) { server async throws in
            #expect(try await server.query("SHOW max_locks_per_transaction") == [["10"]])
            #expect(try await server.query("SHOW max_connections") == [["21"]])
            #expect(try await server.query("SHOW application.note") == [[#"it's a \ test"#]])
            #expect(try await server.query("SHOW fsync") == [["off"]])
        }
    }

    @Test("ALTER SYSTEM overrides the settings of a temporary server")
    func alterSystem() async throws {
        try await EphemeralPostgres.withServer(.init(settings: ["work_mem": "1MB"])) { server in
            try await server.query("ALTER SYSTEM SET work_mem = '2MB'")
            try await server.restart()
            #expect(try await server.query("SHOW work_mem") == [["2MB"]])
        }
    }

    @Test("a temporary server keeps committed data over a crash")
    func crash() async throws {
        try await EphemeralPostgres.withServer { server in
            try await server.query("CREATE TABLE kept (value int)")
            try await server.query("INSERT INTO kept VALUES (1)")
            try await server.crash()
            #expect(await server.processIdentifier == nil)
            await #expect(throws: EphemeralPostgresError.self) { try await server.query("SELECT 1") }
            try await server.resume()
            #expect(try await server.query("SELECT value FROM kept") == [["1"]])
            #expect(try server.serverLog().contains("database system was not properly shut down"))
        }
    }

    @Test(
        "a temporary server starts again after a SIGKILL from outside, and can crash while it is stopped by SIGSTOP",
        .timeLimit(.minutes(10))
    )
    func killedFromOutside() async throws {
        try await EphemeralPostgres.withServer { server in
            let first = try #require(await server.processIdentifier)
            kill(first, SIGKILL)
            try await eventually { await server.processIdentifier == nil }
            try await server.resume()
            let second = try #require(await server.processIdentifier)
            #expect(first != second)
            #expect(try await server.query("SELECT 1") == [["1"]])
            kill(second, SIGSTOP)
            try await server.crash()
            #expect(await server.processIdentifier == nil)
        }
    }

    @Test("a temporary server can be stopped in each mode, also twice, and answers after it is resumed")
    func stop() async throws {
        try await EphemeralPostgres.withServer { server in
            for mode in [EphemeralPostgres.StopMode.smart, .fast, .immediate] {
                try await server.stop(mode: mode)
                try await server.stop(mode: mode)
                try await server.resume()
                #expect(try await server.query("SELECT 1") == [["1"]])
            }
            let error = await #expect(throws: EphemeralPostgresError.self) { try await server.resume() }
            #expect(error?.code == .wrongState)
        }
    }

    @Test("a smart stop waits for the clients of a temporary server, and a crash ends that wait")
    func smartStopWaits() async throws {
        try await EphemeralPostgres.withServer { server in
            async let sleeper = try? server.query("SELECT pg_sleep(600)")
            let sessions = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            try await eventually { try await server.query(sessions).count == 1 }
            let stopping = Task { try await server.stop(mode: .smart) }
            try await eventually { try server.serverLog().contains("received smart shutdown request") }
            #expect(await server.processIdentifier != nil)
            try await server.crash()
            try await stopping.value
            #expect(await sleeper == nil)
        }
    }

    @Test("a restart of a temporary server adds settings and keeps the earlier ones")
    func restart() async throws {
        try await EphemeralPostgres.withServer(.init(settings: ["work_mem": "1MB"])) { server in
            try await server.restart(settings: ["max_connections": "17"])
            #expect(try await server.query("SHOW max_connections") == [["17"]])
            #expect(try await server.query("SHOW work_mem") == [["1MB"]])
        }
    }

    @Test("several temporary servers of one process run at the same time")
    func several() async throws {
        try await withThrowingTaskGroup(of: String.self) { group in
            for index in 0..<4 {
                group.addTask {
                    try await EphemeralPostgres.withServer { server in
                        try await server.query("CREATE TABLE number AS SELECT \(index)")
                        #expect(try await server.query("TABLE number") == [["\(index)"]])
                        return server.socketDirectory
                    }
                }
            }
            let folders = try await group.reduce(into: Set<String>()) { $0.insert($1) }
            #expect(folders.count == 4)
        }
    }

    @Test("a temporary server has its own system identifier if the options ask for it")
    func systemIdentifier() async throws {
        let sql = "SELECT system_identifier FROM pg_control_system()"
        let first = try await EphemeralPostgres.withServer { try await $0.query(sql) }
        let second = try await EphemeralPostgres.withServer(.init(hasOwnSystemIdentifier: true)) { try await $0.query(sql) }
        #expect(first != second)
    }
}

/// A value that is not Sendable, so only the actor that created it can use it.
private final class Counter {
    var value = 0
}
