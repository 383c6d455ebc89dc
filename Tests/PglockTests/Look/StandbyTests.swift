import ChildProcesses
import Foundation
import LockCore
import PostgresLock
import PostgresLockTesting
import Testing

@testable import pglock

@Suite("Looking at a standby")
struct StandbyTests {
    /// Restarts a server as a hot standby without a primary.
    private static func becomeStandby(_ server: EphemeralPostgres) async throws {
        try await server.stop()
        // Writable for all, because the server runs under another account.
        let path = "\(server.dataDirectory)/standby.signal"
        try #require(FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o666]))
        try await server.resume()
    }

    @Test("ps, who, top, graph and kick say that a standby shows its own locks only, and show these")
    func ownLocks() async throws {
        try await EphemeralPostgres.withServer { server in
            try await Self.becomeStandby(server)
            // The one that comes second waits.
            let sessions = (0..<2).map { _ in Task { try await server.query("SELECT pg_advisory_lock(4711), pg_sleep(600)") } }
            try await eventually {
                try await server.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [["2"]]
            }
            let url = server.connectionURL()
            let looks = [["ps"], ["who", "--number", "4711"], ["top", "--count", "1"]]
            for arguments in looks + GraphCommand.Format.allCases.map({ ["graph", "--format", $0.rawValue] }) {
                let look = try await LaunchedPglock(arguments, url: url).finish()
                #expect(look.status == .exited(0), "\(arguments): \(look.error)")
                #expect(look.output.contains("standby") && look.output.contains("4711"), "\(arguments): \(look.output)")
                #expect(look.error.isEmpty)
            }
            for command in [["ps", "--json"], ["who", "--json", "--number", "4711"]] {
                let look = try await LaunchedPglock(command, url: url).finish()
                #expect(look.output.hasPrefix("[") && !look.output.contains("standby"))
                #expect(look.error.contains("is a standby"), "\(look.error)")
            }
            // The request itself goes to a primary only.
            let patience = ["--connect-timeout", "6", "--wait", "60"]
            let kick = try await LaunchedPglock(["kick", "--yes"] + patience + ["--number", "4711"], url: url).finish()
            #expect(kick.status == .exited(69), "\(kick.error)")
            #expect(kick.output.contains("is a standby") && kick.output.contains("held by"), "\(kick.output)")
            for session in sessions {
                session.cancel()
                _ = await session.result
            }
        }
    }

    @Test("of several hosts a primary is asked, wherever it stands in the URL; on it nothing is said of standbys")
    func severalHosts() async throws {
        let primary = try await SharedServer.get()
        let name = SharedServer.freshName()
        let handle = try await primary.locks.acquire(LockKey(name)).copyable()
        try await EphemeralPostgres.withServer { standby in
            try await Self.becomeStandby(standby)
            for servers in [[standby, primary.server], [primary.server, standby]] {
                let hosts = servers.map(\.socketDirectory).joined(separator: ",")
                let ports = servers.map { "\($0.port)" }.joined(separator: ",")
                let url = "host='\(hosts)' port='\(ports)' dbname='postgres' user='postgres'"
                // A primary that is not reached in its half of the time, on a busy machine, would be taken for one that is down.
                let who = try await LaunchedPglock(["who", "--connect-timeout", "60", name], url: url).finish()
                #expect(who.status == .exited(0), "\(who.error)")
                #expect(who.output.contains("held by") && !who.output.contains("standby"), "\(who.output)")
            }
        }
        try await handle.release()
    }

    @Test("the screen of top has room for the note, and for the selected lock", arguments: [5, 8, 24])
    func screen(height: Int) {
        var view = TopView(database: "app", names: KeyNames(database: "app"))
        typealias Graph = WaitGraphTests
        view.found = LockLook.Found(
            locks: (0..<30).flatMap { key in
                [Graph.lock(Int64(key), Graph.session(1, "holder"), held: true), Graph.lock(Int64(key), Graph.session(2), held: false)]
            }
        )
        view.found.isStandby = true
        for _ in 0..<30 {
            let lines = view.lines(width: 80, height: height)
            #expect(lines.count <= height && lines[1].contains("standby"))
            #expect(height < 8 || lines.contains { $0.hasPrefix(">") }, "\(lines)")
            _ = view.handle(.down)
        }
    }
}
