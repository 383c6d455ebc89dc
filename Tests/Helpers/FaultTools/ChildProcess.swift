import Foundation

/// A started program.
package final class ChildProcess: Sendable {
    private let process: Process
    private let ending: AsyncStream<Int32>
    private let input: FileHandle?

    /// What it writes to its output, line by line. For one reader.
    package let lines: AsyncStream<String>

    /// Starts one of the tests' own programs.
    package static func helper(_ name: String, _ arguments: [String]) throws -> ChildProcess {
        let folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return try ChildProcess(folder.appendingPathComponent(name), arguments)
    }

    /// Starts a program that is talked to. What it writes to its error output comes with the rest.
    package static func conversation(_ program: String, _ arguments: [String]) throws -> ChildProcess {
        try ChildProcess(URL(fileURLWithPath: program), arguments, isConversation: true)
    }

    private init(_ program: URL, _ arguments: [String], isConversation: Bool = false) throws {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        if isConversation {
            let pipe = Pipe()
            process.standardInput = pipe
            process.standardError = output
            input = pipe.fileHandleForWriting
            // Writing to one that has ended is to be an error, not the end of the tests.
            Foundation.signal(SIGPIPE, SIG_IGN)
        } else {
            input = nil
        }
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

    /// Writes a line to the program's input.
    package func write(_ line: String) throws {
        try input?.write(contentsOf: Data("\(line)\n".utf8))
    }

    package func closeInput() {
        try? input?.close()
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
