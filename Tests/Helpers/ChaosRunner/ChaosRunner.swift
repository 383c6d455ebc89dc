import Chaos
import Foundation

/// Runs several processes that take locks on a real server while faults are injected, and checks their history afterwards.
///
/// Arguments: the length in minutes, and the seed of the faults. Exits with status 1 if the history has a violation.
@main
struct ChaosRunner {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let minutes = arguments.first.flatMap { Double($0) } ?? -1
        let seed = arguments.count < 2 ? UInt64.random(in: 1...999_999) : arguments.last.flatMap { UInt64($0) }
        guard let seed, minutes > 0, minutes <= 10_000, arguments.count <= 2 else {
            print("usage: ChaosRunner MINUTES [SEED]")
            exit(2)
        }
        let folder = FileManager.default.temporaryDirectory.appending(path: "pglock-chaos-\(seed)-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        print("seed \(seed); logs in \(folder.path())")
        let run = try await ChaosRun(folder: folder, seed: seed, duration: .seconds(minutes * 60))
        let history = try await run.run()
        let check = HistoryCheck(history)
        print("\(await run.faults.summary); \(history.tally)")
        print("outcomes of calls: \(history.tally.outcomesText)")
        print(check.summary)
        guard check.violations.isEmpty else {
            for violation in check.violations.prefix(20) { print("VIOLATION: \(violation)") }
            print("\(check.violations.count) violations; to repeat the faults: make chaos MINUTES=\(minutes) SEED=\(seed)")
            print("the logs of the workers, the server and the faults: \(folder.path())")
            exit(1)
        }
        try FileManager.default.removeItem(at: folder)
        print("no violation")
    }
}
