import Foundation
import Testing

@testable import PostgresLockTesting

/// A `pglock`, or another program of ours, that was started as it was built beside the tests.
struct LaunchedPglock {
    struct Result {
        let status: ChildProcess.ExitStatus?
        let output: String
        let error: String
    }

    let process: ChildProcess
    private let standardOutput: TemporaryFile
    private let standardError: TemporaryFile

    /// Starts it with this PGLOCK_URL, or none, and further variables; by a launcher, if there is one, which is a command
    /// that executes its arguments.
    init(
        _ arguments: [String],
        url: String? = nil,
        input: String = "",
        variables: [String: String] = [:],
        launcher: [String] = [],
        program: String = "pglock"
    ) throws {
        let standardInput = try TemporaryFile(containing: input)
        standardOutput = try TemporaryFile()
        standardError = try TemporaryFile()
        var environment = CommandRunner.environment.filter { !$0.key.hasPrefix("PGLOCK_") }
        environment["PGLOCK_POSTGRES_BIN"] = ProcessInfo.processInfo.environment["PGLOCK_POSTGRES_BIN"]
        environment["PGLOCK_URL"] = url
        process = try ChildProcess.spawn(
            launcher + [Self.path(of: program)] + arguments,
            environment: environment.merging(variables) { $1 },
            directory: "/",
            input: standardInput.descriptor,
            output: standardOutput.descriptor,
            error: standardError.descriptor
        )
    }

    /// What it has printed so far.
    var output: String { standardOutput.contents() }
    var error: String { standardError.contents() }

    func finish(within limit: Duration = .seconds(60)) async throws -> Result {
        let status = try await process.waitForExit(within: limit)
        if status == nil { process.signal(SIGKILL) }
        return Result(status: status, output: output, error: error)
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
func pglock(_ arguments: String..., url: String? = nil, input: String = "") async throws -> LaunchedPglock.Result {
    try await LaunchedPglock(arguments, url: url, input: input).finish()
}

/// Waits until a condition holds, and fails the test if it doesn't within some seconds.
func eventually(
    within limit: Duration = .seconds(60),
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
