import ChildProcesses
import Foundation
import Testing

@testable import PostgresLockTesting

@Suite("A temporary server on TCP")
struct EphemeralPostgresTCPTests {
    private let password = #"it's se\cret: "100 %" /?@"#

    @Test("a connection over TCP with the right password is accepted, by a connection string and by a URL")
    func rightPassword() async throws {
        try await EphemeralPostgres.withServer(.init(listensOnTCP: true, password: password)) { server in
            for target in [server.connectionString(overTCP: true), server.connectionURL(overTCP: true)] {
                let output = try await psql(server, target)
                #expect(output.output == "127.0.0.1\n")
            }
            for target in [server.connectionString(), server.connectionURL()] {
                #expect(try await psql(server, target).output == "socket\n")
            }
        }
    }

    @Test("a connection over TCP with a wrong password or none is refused")
    func wrongPassword() async throws {
        try await EphemeralPostgres.withServer(.init(listensOnTCP: true, password: password)) { server in
            let target = "host=127.0.0.1 port=\(server.port) user=postgres dbname=postgres"
            #expect(try await psql(server, target, password: password).succeeded)
            let wrong = try await psql(server, target, password: "wrong")
            #expect(wrong.error.contains("password authentication failed"))
            let none = try await psql(server, target)
            #expect(none.error.contains("no password supplied"))
        }
    }

    @Test("the password of a temporary server is in no log, no error and no description of its options")
    func secrecy() async throws {
        let options = EphemeralPostgres.Options(
            settings: ["log_statement": "all"],
            listensOnTCP: true,
            password: "hunter2-hunter2"
        )
        try await EphemeralPostgres.withServer(options) { server in
            let error = await #expect(throws: EphemeralPostgresError.self) {
                try await server.query("SELECT * FROM \"hunter2-hunter2\"")
            }
            var dumped = ""
            dump(options, to: &dumped)
            dump(server, to: &dumped)
            let log = try server.serverLog()
            #expect(log.contains("SELECT * FROM"))
            for text in [log, "\(options)", String(reflecting: options), dumped, String(reflecting: error)] {
                #expect(!text.contains("hunter2"))
            }
            let raw = try String(contentsOfFile: server.process.log.path, encoding: .utf8)
            #expect(!raw.contains("ALTER ROLE"))
        }
    }

    @Test("a temporary server without a password accepts connections over TCP, and keeps its port over a restart")
    func trust() async throws {
        try await EphemeralPostgres.withServer(.init(listensOnTCP: true)) { server in
            #expect(try await psql(server, server.connectionString(overTCP: true)).succeeded)
            try await server.restart()
            #expect(try await psql(server, server.connectionString(overTCP: true)).succeeded)
        }
    }

    private func psql(
        _ server: EphemeralPostgres,
        _ target: String,
        password: String? = nil
    ) async throws -> CapturedProcess.Result {
        let sql = "SELECT coalesce(host(inet_server_addr()), 'socket')"
        let psql = ["\(server.binaryDirectory)/psql", "-XAtw", "-d", target, "-c", sql]
        let command = password.map { ["/usr/bin/env", "PGPASSWORD=\($0)"] + psql } ?? psql
        return try await CommandRunner.run(command)
    }
}
