import Foundation
import Testing

/// Waits until a condition holds, and fails the test if it doesn't within some seconds.
func eventually(
    within limit: Duration = .seconds(30),
    sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record("This did not come true within \(limit).", sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}

/// Whether a process runs. One that has ended and that nobody has asked about yet does not.
func isRunning(_ process: pid_t) -> Bool {
    guard kill(process, 0) == 0 else { return false }
    guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return true }
    return !stat.contains(") Z ")
}

/// Whether there is anything at this path.
func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path)
}

/// Where the package's programs are built: beside the test bundle.
var buildFolder: URL {
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
    return (bundle?.bundleURL ?? URL(fileURLWithPath: CommandLine.arguments[0]).absoluteURL).deletingLastPathComponent()
}

/// A folder that only we can look into, for a test. Its path is short, as the path of a socket must be.
struct TemporaryFolder {
    let path: String

    init() throws {
        // In memory, where the server's folders would be too without TMPDIR.
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
