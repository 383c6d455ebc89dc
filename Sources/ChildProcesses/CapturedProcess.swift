import Foundation

/// A process in a session of its own whose output is collected until it ends.
package struct CapturedProcess: Sendable {
    package struct Result: Sendable {
        package let status: ChildProcess.Ending
        package let output: String
        package let error: String

        package var succeeded: Bool { status == .exited(0) }
    }

    package let process: ChildProcess
    private let outputFile: TemporaryFile
    private let errorFile: TemporaryFile

    /// Starts a program: see ``ChildProcess/init(_:environment:directory:input:output:error:surroundings:)``.
    package init(
        _ command: [String],
        environment: [String: String] = ProcessInfo.processInfo.environment,
        directory: String? = nil,
        input: String = ""
    ) throws(SystemFailure) {
        let inputFile = try TemporaryFile(containing: input)
        outputFile = try TemporaryFile()
        errorFile = try TemporaryFile()
        process = try ChildProcess(
            command,
            environment: environment,
            directory: directory,
            input: .descriptor(inputFile.descriptor),
            output: .descriptor(outputFile.descriptor),
            error: .descriptor(errorFile.descriptor)
        )
        withExtendedLifetime(inputFile) {}
    }

    /// The output that it has printed so far.
    package var output: String { outputFile.contents() }
    package var error: String { errorFile.contents() }

    /// Waits for its end.
    ///
    /// - Throws: `CancellationError` when the task is cancelled, after the program was ended. A non-zero exit status is a normal
    ///   result, not an error.
    package func finish() async throws -> Result {
        let status = await withTaskCancellationHandler {
            await process.waitForEnd()
        } onCancel: {
            // SIGINT comes before SIGKILL, because on SIGINT psql cancels its statement in the server.
            process.signal(SIGINT)
            Task {
                try await Task.sleep(for: .seconds(10))
                process.signal(SIGKILL)
            }
        }
        try Task.checkCancellation()
        return Result(status: status, output: output, error: error)
    }
}
