import ChildProcesses
import FaultTools
import Foundation
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("pglock run")
struct RunStatusTests {
    @Test("pglock run exits with the command's status", arguments: [0, 1, 7, 255])
    func status(_ status: Int) async throws {
        let server = try await SharedServer.get()
        let result = try await pglock("run", SharedServer.freshName(), "sh", "-c", "exit \(status)", url: server.url)
        #expect(result.status == .exited(Int32(status)))
        #expect(result.error.isEmpty)
    }

    @Test("pglock run exits with 128 + n if signal n has ended the command")
    func signalled() async throws {
        let server = try await SharedServer.get()
        let result = try await pglock("run", SharedServer.freshName(), "--", "sh", "-c", "kill -KILL $$", url: server.url)
        #expect(result.status == .exited(137))
    }

    @Test("pglock run sets PGLOCK_KEY and PGLOCK_NAME, and does not parse the command's options")
    func environment() async throws {
        let server = try await SharedServer.get()
        let result = try await pglock(
            "run",
            "my-lock",
            "-w",
            "30",
            "sh",
            "-c",
            #"echo "$PGLOCK_KEY $PGLOCK_NAME $@""#,
            "-n",
            "-x",
            "--",
            "-y",
            url: server.url
        )
        #expect(result.output == "4791209619368833285 my-lock -x -- -y\n")
        let nested = try LaunchedPglock(
            ["run", "--number", "-1,42", "sh", "-c", #"echo "$PGLOCK_KEY ${PGLOCK_NAME-none}""#],
            url: server.url,
            variables: ["PGLOCK_NAME": "of another lock"]
        )
        #expect(try await nested.finish().output == "-1,42 none\n")
    }

    @Test("the command has the standard streams of pglock run")
    func streams() async throws {
        let server = try await SharedServer.get()
        let result = try await pglock(
            "run",
            SharedServer.freshName(),
            "sh",
            "-c",
            "cat; echo warning >&2",
            url: server.url,
            input: "a line\n"
        )
        #expect(result.output == "a line\n")
        #expect(result.error == "warning\n")
    }

    @Test("pglock run passes the descriptors on that it was started with, and none of its own")
    func descriptors() async throws {
        let server = try await SharedServer.get()
        let script = "n=3; while [ $n -lt 64 ]; do [ ! -e /dev/fd/$n ] || echo $n; n=$((n + 1)); done"
        // What another test opens while this process starts pglock may be passed on to it. Unlike dash, bash closes descriptors above 9.
        let launcher = ["/bin/bash", "-c", #"for n in {3..63}; do eval "exec $n>&-"; done; exec "$@" 9</dev/null"#, "bash"]
        let run = try LaunchedPglock(["run", SharedServer.freshName(), "sh", "-c", script], url: server.url, launcher: launcher)
        #expect(try await run.finish().output == "9\n")
    }

    @Test("an empty --url is refused by each command that takes one, although the environment names a server", arguments: ["", " "])
    func emptyURL(_ url: String) async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        for command in [
            ["run", name, "true"], ["elect", name, "true"], ["leader", name], ["resign", name], ["who", name], ["ps"], ["doctor"],
        ] {
            // Behind the options is the command of run and elect.
            let arguments = [command[0], "--url", url] + command.dropFirst()
            let result = try await LaunchedPglock(arguments, url: server.url).finish()
            #expect(result.status == .exited(64), "\(command[0])")
            #expect(result.error.contains("--url is empty"), "\(command[0]): \(result.error)")
        }
    }

    @Test("pglock run reports a missing command before it waits for the lock")
    func missingCommand() async throws {
        let server = try await SharedServer.get()
        let name = SharedServer.freshName()
        let lock = try await server.locks.acquire(LockKey(name))
        let missing = try await pglock("run", name, "no-such-command-here", url: server.url)
        #expect(missing.status == .exited(127))
        #expect(missing.error.hasPrefix("pglock: no-such-command-here: command not found."))
        #expect(try await pglock("run", name, "/no/such/file", url: server.url).status == .exited(127))
        #expect(try await pglock("run", name, "/etc/passwd", url: server.url).status == .exited(126))
        #expect(try await pglock("run", name, "/etc", url: server.url).status == .exited(126))
        try await lock.release()
    }

    @Test("pglock run reports a server that can't be reached, without the password")
    func unreachable() async throws {
        let result = try await pglock("run", "--connect-timeout", "5", "k", "true", url: "postgres://app:hunter2@127.0.0.1:1/db")
        #expect(result.status == .exited(69))
        #expect(result.error.hasPrefix("pglock: Can't connect to "))
        #expect(result.error.contains("127.0.0.1"))
        #expect(result.error.split(separator: "\n").count == 1)
        #expect(!result.error.contains("hunter2"))
        let quick = try await pglock("run", "-w", "0.5", "-E", "9", "k", "true", url: "postgres://127.0.0.1:1/db")
        #expect(quick.status == .exited(69), "This is not contention.")
    }

    @Test("pglock run exits with 69, and not with the status of -E, if the server does not answer")
    func silent() async throws {
        try await EphemeralPostgres.withServer { server in
            let link = try SlowLink(to: server.socketDirectory, port: server.port, delay: .zero)
            defer { link.close() }
            link.swallowEverything()
            let url = "host=\(link.folder) port=\(server.port) user=postgres dbname=postgres"
            let result = try await pglock("run", "-w", "1", "-E", "0", "k", "echo", "ran", url: url)
            #expect(result.status == .exited(69))
            #expect(result.output.isEmpty)
            #expect(result.error.contains("still being connected to"), "\(result.error)")
        }
    }

    @Test("pglock run exits with 77 for a wrong password, 69 for a missing database, and 78 for an invalid URL")
    func refusals() async throws {
        let server = try await SharedServer.get()
        let wrong = server.server.connectionURL(overTCP: true).replacing("geheim%20wort", with: "hunter2")
        let login = try await pglock("run", "k", "true", url: wrong)
        #expect(login.status == .exited(77))
        #expect(!login.error.contains("hunter2"))
        let database = try await pglock("run", "k", "true", url: server.server.connectionURL(database: "nowhere"))
        #expect(database.status == .exited(69))
        #expect(database.error.contains("nowhere"))
        let url = try await pglock("run", "--url", "postgres://app:hunter2@[::1/db", "k", "true")
        #expect(url.status == .exited(78))
        #expect(!url.error.contains("hunter2"))
    }

    @Test(
        "pglock run refuses invalid command lines with 64",
        arguments: [
            ["run"], ["run", ""], ["run", "-n", "-w", "1", "k", "true"], ["run", "-w", "-1", "k"], ["run", "-w", "nan", "k"],
            ["run", "-s", "-x", "k"], ["run", "-E", "256", "k"], ["run", "--number", "k"], ["run", "--number", "1,2,3"],
            ["run", "-z", "k"], ["key"], ["key", ""], ["nonsense"], ["demo", "--workers", "1"],
        ]
    )
    func usage(_ arguments: [String]) async throws {
        let result = try await LaunchedPglock(arguments).finish()
        #expect(result.status == .exited(64))
        #expect(result.error.contains("Error: "))
    }

    @Test(
        "pglock refuses names and URLs that are not UTF-8",
        arguments: [
            #"run "$(printf 'caf\351')" true"#, #"run -n -- "$(printf '\377')" true"#, #"key ok "$(printf 'caf\351')""#,
            #"run --url "$(printf 'host=\377')" k true"#, #"run --url="$(printf 'host=\377')" k true"#,
        ]
    )
    func notUTF8(_ line: String) async throws {
        let launcher = ["/bin/sh", "-c", #"exec "$0" "# + line]
        let result = try await LaunchedPglock([], launcher: launcher).finish()
        #expect(result.status == .exited(64), "\(result.error)")
        #expect(result.error.contains("is not UTF-8"))
        let variable = ["/bin/sh", "-c", #"PGLOCK_URL="$(printf 'host=\377')" exec "$0" run k true"#]
        #expect(try await LaunchedPglock([], launcher: variable).finish().status == .exited(64))
    }

    @Test("pglock run takes a name with a replacement character, and passes on arguments that are not UTF-8")
    func replacementCharacter() async throws {
        let server = try await SharedServer.get()
        let launcher = ["/bin/sh", "-c", #"exec "$0" run -- 'a�b' printf %s "$(printf 'caf\351')""#]
        let result = try await LaunchedPglock([], url: server.url, launcher: launcher).finish()
        #expect(result.status == .exited(0), "\(result.error)")
    }

    @Test("--help explains the subcommands of pglock", arguments: ["run", "elect", "leader", "resign", "key", "schema", "doctor"])
    func help(_ command: String) async throws {
        let result = try await pglock(command, "--help")
        #expect(result.status == .exited(0))
        #expect(result.output.contains("USAGE: pglock \(command)"))
        #expect(result.output.contains(["key", "schema"].contains(command) ? "EXAMPLES" : "EXIT STATUS"))
        #expect(result.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }
}
