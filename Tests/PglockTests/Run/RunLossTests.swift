import ChildProcesses
import Foundation
import PostgresLock
import Testing

@Suite("When the lock of pglock run is lost")
struct RunLossTests {
    @Test("the command gets SIGTERM, and the status is 70 whatever it makes of that")
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

    @Test("a command that ignores SIGTERM gets SIGKILL after the grace")
    func killed() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let script = "trap '' TERM; echo up; while :; do sleep 0.02; done"
        let run = try LaunchedPglock(["run", "--kill-after", "0.3", name, "sh", "-c", script], url: server.url)
        try await run.waitForOutput("up")
        try await server.terminateHolders(of: name)
        #expect(try await run.finish().status == .exited(70))
    }

    @Test("a hold without a command ends with 70")
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
