import ChildProcesses
import Foundation
import Testing

@Suite("The demonstration")
struct DemoTests {
    @Test("the demonstration loses no update with the lock and some without it, counts them, and removes its server")
    func plain() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        // Half of the time is for the next holder after the killed one, and all of the lease for a process that gets no time of a processor.
        let run = try LaunchedPglock(
            ["--plain", "--workers", "3", "--seconds", "4", "--lease", "5"],
            variables: ["TMPDIR": folder.path],
            program: "LockDemo"
        )
        let result = try await run.finish(within: .seconds(240))
        #expect(result.status == .exited(0), "\(result.output) \(result.error)")
        #expect(result.error.isEmpty)
        let table = result.output.split(separator: "\n")
        let lost = try #require(table.first { $0.contains("lost updates") }).split(separator: " ")
        #expect(lost[2] == "0" && lost[3] != "0")
        let expected = try #require(table.first { $0.contains("(expected)") }).split(separator: " ")
        let actual = try #require(table.first { $0.contains("(actual)") }).split(separator: " ")
        #expect(expected[3] != "0" && expected[3] == actual[2])
        #expect(result.output.contains("was killed by SIGKILL while it held the lock."))
        #expect(result.output.contains("had the lock"))
        #expect(result.output.contains("its isHeld is false, it writes all the same, and is refused."))
        try await eventually { folder.isEmpty }
    }

    @Test(
        "the demonstration leaves no process and no file after Ctrl-C or SIGKILL, also while a process is stopped",
        arguments: [SIGINT, SIGKILL],
        // On a busy machine this test may continue minutes after the output, so the demonstration has to last until the signal ends it. Of the
        // lines for each second some may be missing there.
        [(["--seconds", "600"], "with the lock   "), (["--seconds", "0.5", "--lease", "600"], "now it is stopped")]
    )
    func waitCancelled(_ number: Int32, at moment: (arguments: [String], output: String)) async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let run = try LaunchedPglock(["--plain"] + moment.arguments, variables: ["TMPDIR": folder.path], program: "LockDemo")
        try await run.waitForOutput(moment.output)
        run.process.signal(number)
        #expect(try await run.finish().status == .signalled(number))
        try await eventually { folder.isEmpty }
        // The folder in their environment distinguishes the workers from those of other demonstrations.
        try await eventually { Self.processes(mentioning: folder.path).isEmpty }
    }

    @Test("the help of the demonstration has its usage and exit statuses, and no internal subcommands")
    func help() async throws {
        let result = try await LaunchedPglock(["--help"], program: "LockDemo").finish()
        #expect(result.status == .exited(0))
        #expect(result.output.contains("USAGE: swift run LockDemo [<options>]") && result.output.contains("EXIT STATUS"))
        #expect(!result.output.contains("SUBCOMMANDS"))
        #expect(result.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }

    private static func processes(mentioning text: String) -> [String] {
        let numbers = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.filter { Int($0) != nil } ?? []
        return numbers.filter { number in
            guard let environment = FileManager.default.contents(atPath: "/proc/\(number)/environ") else { return false }
            return String(decoding: environment, as: UTF8.self).contains(text)
        }
    }
}

/// A folder that the server's account can enter. Its path is short, because the path of a socket has to be.
private struct TemporaryFolder {
    let path: String

    init() throws {
        let parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        path = "\(parent)/t-\(UInt32.random(in: .min ... .max))"
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o755]
        )
    }

    var isEmpty: Bool {
        (try? FileManager.default.contentsOfDirectory(atPath: path).isEmpty) ?? false
    }

    func remove() {
        try? FileManager.default.removeItem(atPath: path)
    }
}
