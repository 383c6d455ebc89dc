import ChildProcesses
import Foundation
import PostgresLock
import Testing

@Suite("pglock run --scheme")
struct RunSchemeTests {
    @Test(
        "pglock run --scheme has the key that pglock key --scheme prints",
        arguments: ["postgresql-lock", "distributed-lock", "sqlx", "with-advisory-lock", "symfony-lock", "golang-migrate", "rails"]
    )
    func keys(_ scheme: String) async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let key = try await pglock("key", "--scheme", scheme, name)
        let run = try await pglock("run", "--scheme", scheme, name, "sh", "-c", "echo $PGLOCK_KEY", url: server.url)
        #expect(run.status == .exited(0), "\(run.error)")
        #expect(run.output == key.output)
    }

    @Test("pglock run --scheme excludes the other library's lock of that name, and no other one")
    func exclusion() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let lock = try await server.locks.acquire(LockKey.sqlx(name))
        #expect(try await pglock("run", name, "-n", "--scheme", "sqlx", "true", url: server.url).status == .exited(1))
        #expect(try await pglock("run", "-n", name, "true", url: server.url).status == .exited(0))
        try await lock.release()
        #expect(try await pglock("run", "-n", "--scheme", "sqlx", name, "true", url: server.url).status == .exited(0))
    }

    @Test(
        "command lines that make no sense with --scheme or --process-group are refused with 64",
        arguments: [
            ["--scheme", "nothing", "k", "true"], ["--scheme", "sqlx", "", "true"], ["--scheme", "sqlx", "--number", "1", "true"],
            ["--scheme", "sqlx", "--slots", "2", "k", "true"], ["--scheme", "sqlx", "--once-per", "24h", "k", "true"],
            ["--process-group", "k"],
        ]
    )
    func usage(_ arguments: [String]) async throws {
        let result = try await LaunchedPglock(["run"] + arguments).finish()
        #expect(result.status == .exited(64))
        #expect(result.error.contains("Error: "))
    }
}
