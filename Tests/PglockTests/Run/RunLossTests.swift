import ChildProcesses
import Foundation
import PostgresLock
import Testing

@Suite("When the lock of pglock run is lost")
struct RunLossTests {
    @Test("if the lock is lost, the command gets SIGTERM, and pglock run exits with 70")
    func terminated() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let script = "trap 'echo asked to end; exit 0' TERM; echo up; while :; do sleep 0.02; done"
        let run = try LaunchedPglock(["run", name, "sh", "-c", script], url: server.url)
        try await run.waitForOutput("up")
        try await server.terminateHolders(of: name)
        let result = try await run.finish()
        #expect(result.status == .exited(70))
        #expect(result.output == "up\nasked to end\n")
        #expect(result.error.contains("was lost"))
        #expect(result.error.split(separator: "\n").count == 1)
    }

    @Test("if the lock is lost, a command that ignores SIGTERM gets SIGKILL after --kill-after")
    func killed() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let script = "trap '' TERM; echo up; while :; do sleep 0.02; done"
        let run = try LaunchedPglock(["run", "--kill-after", "0.3", name, "sh", "-c", script], url: server.url)
        try await run.waitForOutput("up")
        try await server.terminateHolders(of: name)
        #expect(try await run.finish().status == .exited(70))
    }

    @Test("if the lock is lost, a pglock run without a command exits with 70")
    func holding() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let run = try LaunchedPglock(["run", name], url: server.url)
        try await run.waitForOutput("holding")
        try await server.terminateHolders(of: name)
        let result = try await run.finish()
        #expect(result.status == .exited(70))
        #expect(result.error.contains("was lost"))
    }
}
