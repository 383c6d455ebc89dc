import Foundation
import PostgresLock

/// One of several processes that run a job once per interval, each by a clock of its own.
///
/// Arguments: `job`, a connection string, the interval in seconds, by how many milliseconds the process's clock is ahead, and for how many
/// seconds it runs. The job is called at each full second of that clock. Lines: `calls TIME` before a call, `ran START` in the body, which
/// lasts 0.3 s, and `returned TIME` after the call. Times are seconds since 1970.
@main
struct RecipeWorker {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 6, arguments[1] == "job", let interval = Int(arguments[3]), let ahead = Int(arguments[4]),
            let seconds = Double(arguments[5])
        else {
            print("usage: RecipeWorker job URL INTERVAL MILLISECONDS-AHEAD SECONDS")
            return
        }
        var configuration = LockManager.Configuration(url: arguments[2])
        configuration.lease = .seconds(1)
        configuration.applicationName = "worker \(ProcessInfo.processInfo.processIdentifier)"
        let locks = try LockManager(configuration: configuration)
        let end = Date().addingTimeInterval(seconds)
        while Date() < end {
            let clock = Date().timeIntervalSince1970 + Double(ahead) / 1000
            try await Task.sleep(for: .seconds(clock.rounded(.up) - clock))
            say("calls \(Date().timeIntervalSince1970)")
            try await locks.runOnce("job", every: .seconds(interval)) { run in
                say("ran \(Int(run.intervalStart.timeIntervalSince1970))")
                try await Task.sleep(for: .milliseconds(300))
            }
            say("returned \(Date().timeIntervalSince1970)")
        }
        await locks.shutdown()
    }

    /// Prints a line without buffering, because the process may be killed at any moment.
    private static func say(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }
}
