import ChildProcesses
import Foundation

/// A server of another product, with a temporary folder and a TCP port of its own.
///
/// A shell ends the server and deletes the folder when it is told to, and also when this process ends in any way, because then the system
/// closes the shell's input.
struct GuardedServer: Sendable {
    let folder: String
    let port: Int
    let processIdentifier: Int32
    private let shell: ChildProcess

    private static let limit = Duration.seconds(10)

    /// Starts a server and waits until its log has a certain text.
    ///
    /// - Parameters:
    ///   - ready: What the server logs as soon as it can be used.
    ///   - arguments: The server's arguments, for a folder and two ports.
    static func start(_ program: String, ready: String, _ arguments: (String, Int, Int) -> [String]) async throws -> GuardedServer {
        var failure = ""
        // Another process may have the chosen port. The ports are below those that the system gives to clients.
        for _ in 0..<3 {
            let port = Int.random(in: 10_000..<32_000)
            let server = try await GuardedServer(program, port: port) { arguments($0, port, port + 1) }
            if try await server.becomesReady(ready) { return server }
            failure = server.log.split(separator: "\n").suffix(2).joined(separator: " / ")
            await server.stop()
        }
        throw BenchError("\(program) did not start: \(failure)")
    }

    private init(_ program: String, port: Int, _ arguments: (String) -> [String]) async throws {
        self.port = port
        var template = Array("\(Self.parent)/lock-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchError("A temporary folder could not be created in \(Self.parent).") }
        folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        shell = try ChildProcess(
            ["/bin/sh", "-c", Self.script, "lock-bench-server", folder, program] + arguments(folder),
            environment: Child.environment,
            input: .pipe,
            output: .pipe,
            error: .null
        )
        var process: Int32?
        for await line in shell.lines {
            process = Int32(line)
            break
        }
        guard let process else { throw BenchError("The shell that runs \(program) ended early.") }
        processIdentifier = process
    }

    /// Ends the server and deletes its folder. A second call does nothing.
    func stop() async {
        shell.closeInput()
        _ = await shell.waitForEnd()
    }

    private var log: String { (try? String(contentsOfFile: "\(folder)/log", encoding: .utf8)) ?? "" }

    private func becomesReady(_ text: String) async throws -> Bool {
        let deadline = ContinuousClock.now + Self.limit
        while ContinuousClock.now < deadline {
            if log.contains(text) { return true }
            do {
                try await Task.sleep(for: .milliseconds(20))
            } catch {
                await stop()
                throw error
            }
        }
        return false
    }

    /// The folder's parent: in memory if possible, as that of the PostgreSQL server.
    private static var parent: String {
        if let named = ProcessInfo.processInfo.environment["TMPDIR"], named.hasPrefix("/") { return named }
        return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    }

    /// The server's process is started before signals are ignored, because it would inherit that.
    private static let script = #"""
        folder=$1
        shift
        "$@" >"$folder/log" 2>&1 </dev/null &
        server=$!
        trap '' HUP INT QUIT TERM
        echo "$server"
        while read -r _; do :; done
        kill -KILL "$server"
        wait "$server"
        rm -rf "$folder"
        """#
}
