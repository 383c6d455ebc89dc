import ChildProcesses
import Foundation
import Testing

@testable import PostgresLockTesting

/// A `pglock`, or another program of ours, that was started as it was built beside the tests.
struct LaunchedPglock {
    private let captured: CapturedProcess

    /// The subcommands that connect to a server.
    private static let connecting: Set = ["run", "elect", "leader", "resign", "who", "ps", "top", "graph", "kick", "doctor"]

    /// Starts it with this PGLOCK_URL, or none, and further variables; by a launcher, if there is one, which is a command
    /// that executes its arguments.
    ///
    /// Where it has a URL, it has more time to connect than by default, unless the arguments say how much: on a busy machine that may take long.
    init(
        _ arguments: [String],
        url: String? = nil,
        input: String = "",
        variables: [String: String] = [:],
        launcher: [String] = [],
        program: String = "pglock"
    ) throws {
        var environment = CommandRunner.environment.filter { !$0.key.hasPrefix("PGLOCK_") }
        environment["PGLOCK_POSTGRES_BIN"] = ProcessInfo.processInfo.environment["PGLOCK_POSTGRES_BIN"]
        environment["PGLOCK_URL"] = url
        var arguments = arguments
        if url != nil, let command = arguments.first, Self.connecting.contains(command) {
            // The last one counts.
            arguments.insert(contentsOf: ["--connect-timeout", "30"], at: 1)
        }
        captured = try CapturedProcess(
            launcher + [Self.path(of: program)] + arguments,
            environment: environment.merging(variables) { $1 },
            directory: "/",
            input: input
        )
    }

    var process: ChildProcess { captured.process }
    /// What it has printed so far.
    var output: String { captured.output }
    var error: String { captured.error }

    func finish(within limit: Duration = .seconds(180)) async throws -> CapturedProcess.Result {
        let timeout = Task { [process] in
            try await Task.sleep(for: limit)
            Issue.record("It still runs after \(limit).")
            process.signal(SIGKILL)
        }
        defer { timeout.cancel() }
        return try await captured.finish()
    }

    /// Waits until it has printed this.
    func waitForOutput(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await eventually(sourceLocation: sourceLocation) { output.contains(text) || error.contains(text) }
    }

    static func path(of program: String) -> String {
        let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
        let ours = bundle?.bundleURL ?? URL(fileURLWithPath: CommandLine.arguments[0]).absoluteURL
        return ours.deletingLastPathComponent().appendingPathComponent(program).path
    }
}

/// Runs `pglock` to its end.
func pglock(_ arguments: String..., url: String? = nil, input: String = "") async throws -> CapturedProcess.Result {
    try await LaunchedPglock(arguments, url: url, input: input).finish()
}

/// Waits until a condition holds, and fails the test if it doesn't within a time that is long for a busy machine, too.
func eventually(
    within limit: Duration = .seconds(180),
    sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record("This did not come true within \(limit).", sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(10))
    }
}
