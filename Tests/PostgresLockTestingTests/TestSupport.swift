import Foundation
import Testing

/// Waits until a condition holds, and records an issue if it does not within the limit.
func eventually(
    within limit: Duration = .seconds(180),
    sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record("The condition did not hold within \(limit).", sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}

/// Whether a process runs. A zombie, whose parent has not collected its status yet, does not.
func isRunning(_ process: pid_t) -> Bool {
    guard kill(process, 0) == 0 else { return false }
    guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return true }
    return !stat.contains(") Z ")
}

/// Whether a file or folder exists at this path.
func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path)
}

/// The folder with the package's built programs: the folder of the test bundle.
var buildFolder: URL {
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
    return (bundle?.bundleURL ?? URL(fileURLWithPath: CommandLine.arguments[0]).absoluteURL).deletingLastPathComponent()
}

/// A folder for a test that only the current account can read. Its path is short, because the path of a socket has to be.
struct TemporaryFolder {
    let path: String

    init() throws {
        // In memory if possible, like the server's folders when TMPDIR is not set.
        let parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        path = "\(parent)/t-\(UInt32.random(in: .min ... .max))"
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700]
        )
    }

    var isEmpty: Bool {
        (try? FileManager.default.contentsOfDirectory(atPath: path).isEmpty) ?? false
    }

    func openToAll() throws {
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    func remove() {
        try? FileManager.default.removeItem(atPath: path)
    }
}
