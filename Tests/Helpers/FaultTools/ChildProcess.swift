import Foundation

/// A started program.
package final class ChildProcess: Sendable {
    private let process: Process
    private let ending: AsyncStream<Int32>

    /// What it writes to its output, line by line. For one reader.
    package let lines: AsyncStream<String>

    /// Starts one of the tests' own programs.
    package static func helper(_ name: String, _ arguments: [String]) throws -> ChildProcess {
        let folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return try ChildProcess(folder.appendingPathComponent(name), arguments)
    }

    private init(_ program: URL, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        let (ending, continuation) = AsyncStream.makeStream(of: Int32.self)
        process.terminationHandler = {
            continuation.yield($0.terminationReason == .exit ? $0.terminationStatus : 128 + $0.terminationStatus)
            continuation.finish()
        }
        try process.run()
        self.process = process
        self.ending = ending
        lines = Self.lines(of: output.fileHandleForReading)
    }

    /// A thread of its own reads, so that neither a full pipe nor a blocked pool stops anybody.
    private static func lines(of file: FileHandle) -> AsyncStream<String> {
        let (lines, continuation) = AsyncStream.makeStream(of: String.self)
        Thread.detachNewThread {
            var rest = Data()
            while case let data = file.availableData, !data.isEmpty {
                rest += data
                while let end = rest.firstIndex(of: 10) {
                    continuation.yield(String(decoding: rest[rest.startIndex..<end], as: UTF8.self))
                    rest = rest[(end + 1)...]
                }
            }
            continuation.finish()
        }
        return lines
    }

    package func status() async -> Int32 {
        for await status in ending { return status }
        return -1
    }

    package func signal(_ number: Int32) {
        // Its number may be somebody else's when it has ended.
        guard process.isRunning else { return }
        kill(process.processIdentifier, number)
    }
}
