import ChildProcesses
import Foundation
import LibPQ
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("pglock who, ps, top, graph and kick")
struct LookTests {
    private static func manager(_ server: SharedServer, _ name: String) throws -> LockManager {
        var configuration = LockManager.Configuration(url: server.url)
        configuration.applicationName = name
        configuration.publicationDelay = .milliseconds(1)
        configuration.releaseLookInterval = .milliseconds(100)
        return try LockManager(configuration: configuration)
    }

    /// A body that holds a lock until it is cancelled.
    private static func hold(_ key: String, _ locks: LockManager) async -> Task<LockError.Code?, Never> {
        let begun = AsyncStream<Void>.makeStream()
        let task = Task<LockError.Code?, Never> {
            do {
                try await locks.withLock(LockKey(key)) { _ in
                    begun.continuation.finish()
                    try await Task.sleep(for: .seconds(3600))
                }
                return nil
            } catch let error as LockError {
                return error.code
            } catch {
                return nil
            }
        }
        for await _ in begun.stream {}
        return task
    }

    @Test("an incident: a request hangs; who says who holds its lock and since when, and kick ends that one only")
    func incident() async throws {
        let server = try await SharedServer.get()
        let (orders, other) = (SharedServer.freshName(), SharedServer.freshName())
        let holder = try Self.manager(server, "orders@web-3:4711 #k7q2m")
        let stuck = await Self.hold(orders, holder)
        let healthy = await Self.hold(other, holder)
        let waiting = Task { try await server.locks.withLock(LockKey(orders), timeout: .seconds(300)) { _ in } }
        try await eventually { try await server.waiters(for: orders) == 1 }

        var who = ""
        try await eventually {
            who = try await pglock("who", orders, url: server.url).output
            return who.contains("since")
        }
        #expect(who.hasPrefix("\(orders) ("), "\(who)")
        #expect(who.contains("held by   orders@web-3:4711 #k7q2m") && who.contains("exclusive"), "\(who)")
        #expect(who.contains("1. waits") && who.contains("this session holds ") && who.contains("other lock"), "\(who)")

        let kick = try await pglock("kick", "--yes", "--wait", "60", orders, url: server.url)
        #expect(kick.status == .exited(0), "\(kick.error)")
        #expect(kick.output.contains("held by") && kick.output.contains("released after "), "\(kick.output)")
        #expect(kick.output.contains("now: \(orders) ("), "\(kick.output)")
        #expect(await stuck.value == .releaseRequested)
        try await waiting.value
        #expect(!healthy.isCancelled)
        #expect(try await server.holders(of: other) == 1, "The other lock of the process stays.")
        healthy.cancel()
        _ = await healthy.value
        await holder.shutdown(gracePeriod: .zero)
    }

    @Test("kick shows and asks; without a terminal it takes --yes; a lock that no session holds is status 1")
    func asks() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let free = try await pglock("kick", "--yes", name, url: server.url)
        #expect(free.status == .exited(1))
        let handle = try await server.locks.acquire(LockKey(name)).copyable()
        let unasked = try await pglock("kick", name, url: server.url)
        #expect(unasked.status == .exited(64))
        #expect(unasked.output.contains("held by") && unasked.error.contains("--yes"), "\(unasked.error)")
        #expect(handle.lock.isHeld && !handle.lock.isReleaseRequested)
        try await handle.release()
    }

    @Test("a holder that does not heed the request is told of; with --terminate its session is ended, and with it all its locks")
    func terminate() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        var configuration = LockManager.Configuration(url: server.url)
        configuration.releaseRequests = .ignore
        let holder = try LockManager(configuration: configuration)
        let handle = try await holder.acquire(LockKey(name)).copyable()
        // Within this time it also has to connect, on a busy machine, too.
        let late = try await pglock("kick", "--yes", "--wait", "6", name, url: server.url)
        #expect(late.status == .exited(75))
        #expect(handle.lock.isHeld)
        let ended = try await pglock("kick", "--yes", "--terminate", "--wait", "6", name, url: server.url)
        #expect(ended.status == .exited(0), "\(ended.error)")
        #expect(ended.output.contains("ended the session of process"), "\(ended.output)")
        #expect(await handle.lock.waitForEnd()?.code == .lockLost)
        await holder.shutdown(gracePeriod: .zero)
    }

    @Test("a role without rights over the holder's session can ask, but not end it: status 77, and the lock stays")
    func refused() async throws {
        let server = try await SharedServer.get()
        let (name, role) = (SharedServer.freshName(), "guest_\(UInt32.random(in: .min ... .max))")
        try await server.server.query("CREATE ROLE \(role) LOGIN")
        var configuration = LockManager.Configuration(url: server.url)
        configuration.releaseRequests = .ignore
        let holder = try LockManager(configuration: configuration)
        let handle = try await holder.acquire(LockKey(name)).copyable()
        let url = server.server.connectionURL(user: role)
        let kick = try await pglock("kick", "--yes", "--terminate", "--wait", "6", name, url: url)
        #expect(kick.status == .exited(77), "\(kick.error)")
        #expect(kick.error.contains("42501") || kick.error.contains("permission") || kick.error.contains("superuser"), "\(kick.error)")
        #expect(handle.lock.isHeld)
        #expect(try await server.holders(of: name) == 1)
        try await handle.release()
        await holder.shutdown()
        try await server.server.query("DROP ROLE \(role)")
    }

    @Test("pglock run whose lock is asked for ends its command, releases the lock, and exits with 70")
    func run() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let script = "trap 'echo asked to end; exit 0' TERM; echo runs; while :; do sleep 0.02; done"
        let run = try LaunchedPglock(["run", name, "sh", "-c", script], url: server.url)
        try await run.waitForOutput("runs")
        let kick = try await pglock("kick", "--yes", "--wait", "60", name, url: server.url)
        #expect(kick.status == .exited(0), "\(kick.error)")
        let result = try await run.finish()
        #expect(result.status == .exited(70))
        #expect(result.output == "runs\nasked to end\n")
        #expect(result.error.contains("asked for"), "\(result.error)")
        #expect(try await server.isFree(LockKey(name)))
    }

    @Test("pglock kick as the command of a pglock run of the same lock ends that command, as from elsewhere")
    func ownCommand() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let kick = [LaunchedPglock.path(of: "pglock"), "kick", "--yes", "--wait", "60", name]
        let result = try await LaunchedPglock(["run", name] + kick, url: server.url).finish()
        #expect(result.status == .exited(70))
        #expect(result.error.contains("asked for"), "\(result.error)")
        #expect(try await server.isFree(LockKey(name)))
    }

    @Test("ps lists locks by name, with filters, as lines and as JSON; numbers become names by a file")
    func list() async throws {
        struct Record: Decodable {
            let name: String?
            let key: String
            let state: String
            let mode: String
            let pid: Int32?
            let instance: String
        }
        let server = try await SharedServer.get()
        let (name, pair) = (SharedServer.freshName(), Int32.random(in: 1 ... .max))
        let holder = try Self.manager(server, "web-\(pair)")
        let handle = try await holder.acquire(LockKey(name)).copyable()
        let shared = try await holder.acquire(LockKey(pair, -7), mode: .shared).copyable()
        let waiting = Task { try await server.locks.withLock(LockKey(name), timeout: .seconds(300)) { _ in } }
        try await eventually { try await server.waiters(for: name) == 1 }
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).txt")
        try "# names\n\n\(name)\nunused\tsqlx\n".write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }

        let lines = try await pglock("ps", "--names", file.path, "--waited", url: server.url)
        #expect(lines.output.split(separator: "\n").count { $0.hasPrefix(name) } == 2, "\(lines.output)")
        let all = try await pglock("ps", "--json", "--instance", "WEB-\(pair)", "--limit", "0", url: server.url)
        let records = try JSONDecoder().decode([Record].self, from: Data(all.output.utf8))
        #expect(Set(records.map(\.key)) == [KeyTextForTests.numbers(LockKey(name)), "\(pair),-7"], "\(all.output)")
        #expect(records.allSatisfy { $0.state == "held" && $0.instance == "web-\(pair)" && $0.pid != nil && $0.name == nil })
        #expect(records.first { $0.key == "\(pair),-7" }?.mode == "shared")
        let limited = try await pglock("ps", "--instance", "web-\(pair)", "--limit", "1", url: server.url)
        #expect(limited.output.contains("1 line of 2"), "\(limited.output)")
        let missing = try await pglock("ps", "--names", "/no/such/file", url: server.url)
        #expect(missing.status == .exited(64) && missing.error.contains("There is no file of names /no/such/file."), "\(missing.error)")
        let folder = try await pglock("ps", "--names", "/", url: server.url)
        #expect(folder.status == .exited(64) && folder.error.contains("can't be read"), "\(folder.error)")

        let top = try await pglock("top", "--count", "1", "--name", name, url: server.url)
        #expect(top.output.contains(name) && top.output.contains("web-\(pair)"), "\(top.output)")
        for (format, sign) in [("text", "waits"), ("dot", "digraph"), ("svg", "<svg"), ("html", "<!doctype html>")] {
            let graph = try await pglock("graph", "--format", format, "--name", name, url: server.url)
            #expect(graph.status == .exited(0) && graph.output.contains(sign) && graph.output.contains("web-\(pair)"), "\(graph.output)")
        }
        try await handle.release()
        try await shared.release()
        try await waiting.value
        await holder.shutdown()
    }

    @Test("who takes several names, numbers and schemes, and exits with 1 if no session has or wants any")
    func names() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let handle = try await server.locks.acquire(.sqlx(name)).copyable()
        let bySqlx = try await pglock("who", "--scheme", "sqlx", name, url: server.url)
        #expect(bySqlx.status == .exited(0) && bySqlx.output.contains("held by"), "\(bySqlx.output)")
        let none = try await pglock("who", name, "another", url: server.url)
        #expect(none.status == .exited(1))
        #expect(none.output.components(separatedBy: "no session holds it").count == 3, "\(none.output)")
        let byNumber = try await pglock("who", "--number", "--json", "--", "\(LockKey.sqlx(name).number ?? 0)", url: server.url)
        #expect(byNumber.output.contains(#""state" : "held""#), "\(byNumber.output)")
        try await handle.release()
        #expect(try await pglock("who", "k", url: "postgres://127.0.0.1:1/db").status == .exited(69))
        #expect(try await pglock("who", url: server.url).status == .exited(64))
    }

    @Test("a prepared transaction is named by its identifier and owner; kick says how it is ended; another database has other locks")
    func prepared() async throws {
        try await EphemeralPostgres.withServer(.init(settings: ["max_prepared_transactions": "2"])) { server in
            let prepare = "BEGIN; SELECT pg_advisory_xact_lock(1), pg_advisory_xact_lock(2); PREPARE TRANSACTION 'it''s \u{1B}[2J'"
            try await server.query(prepare)
            let url = server.connectionURL()
            let who = try await pglock("who", "--number", "1", url: url)
            #expect(who.output.contains("held by   it's \u{FFFD}[2J  a prepared transaction  exclusive  for more than"), "\(who.output)")
            #expect(who.output.contains("postgres, prepared") && !who.output.contains("local"), "\(who.output)")
            let list = try await pglock("ps", url: url)
            #expect(list.output.contains("prepared  it's") && list.output.contains("> "), "\(list.output)")
            let json = try await pglock("ps", "--json", url: url)
            let records = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]]
            #expect(records?.map { $0["instance"] as? String } == ["it's \u{1B}[2J", "it's \u{1B}[2J"], "\(json.output)")
            let kick = try await pglock("kick", "--yes", "--terminate", "--wait", "0.5", "--number", "1", url: url)
            #expect(kick.status == .exited(75))
            #expect(kick.error.contains("ROLLBACK PREPARED 'it''s \u{FFFD}[2J'"), "\(kick.error)")
            try await server.query("CREATE DATABASE other")
            let other = try await pglock("who", "--number", "1", "--url", server.connectionURL(database: "other"))
            #expect(other.status == .exited(1), "\(other.output)")
            try await server.query("ROLLBACK PREPARED 'it''s \u{1B}[2J'")
        }
    }

    #if os(Linux)
        @Test("a listing that can't be written is no success")
        func fullDisk() async throws {
            let server = try await SharedServer.get()
            let launcher = ["/bin/sh", "-c", #"exec "$@" >/dev/full"#, "sh"]
            let listing = try await LaunchedPglock(["ps"], url: server.url, launcher: launcher).finish()
            #expect(listing.status == .exited(71))
            #expect(listing.error.contains("Standard output can't be written"), "\(listing.error)")
        }
    #endif

    @Test("a listing ends when its reader is gone")
    func closedPipe() async throws {
        let server = try await SharedServer.get()
        let launcher = ["/bin/sh", "-c", #""$@" | head -n 1 >/dev/null"#, "sh"]
        for arguments in [["ps", "--watch", "0.1"], ["top", "--interval", "0.1"]] {
            let watch = try LaunchedPglock(arguments, url: server.url, launcher: launcher)
            #expect(try await watch.finish().status == .exited(0))
        }
    }

    @Test("what moves the cursor in names does not get to the terminal")
    func clean() {
        #expect(CleanForTests.text("a\u{1B}[2Jb\u{202E}c\n") == "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}")
        #expect(CleanForTests.text("größe 漢") == "größe 漢")
    }
}
