import Chaos
import Foundation

/// Runs several processes that take locks on a real server while faults are injected, and checks their history afterwards.
///
/// Arguments: the length in minutes, and the seed of the faults. Exits with status 1 if the history has a violation.
///
/// With `--break` and a ``ChaosBreak`` the workers break a promise on purpose. Then it exits with status 1 if the check has not found that, or has found
/// anything else.
@main
struct ChaosRunner {
    static func main() async throws {
        guard let options = ChaosOptions(CommandLine.arguments.dropFirst()) else {
            print(ChaosOptions.usage)
            exit(2)
        }
        let (minutes, seed) = (options.minutes, options.seed)
        let folder = FileManager.default.temporaryDirectory.appending(path: "pglock-chaos-\(seed)-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        print("seed \(seed); logs in \(folder.path())")
        if let breaking = options.breaking { print("The workers break a promise on purpose: \(breaking.rawValue).") }
        fflush(nil)
        let run = try await ChaosRun(folder: folder, seed: seed, duration: .seconds(minutes * 60), breaking: options.breaking)
        let history = try await run.run()
        let check = HistoryCheck(history, expectsRecipes: minutes >= 0.5)
        print("\(await run.faults.summary); \(history.tally)")
        print("outcomes of calls: \(history.tally.outcomesText)")
        print(check.summary)
        let expected = check.violations.filter { options.breaking?.explains($0) ?? false }
        let others = check.violations.filter { !(options.breaking?.explains($0) ?? false) }
        for violation in expected.prefix(3) { print("found: \(violation)") }
        if let breaking = options.breaking { print("\(expected.count) violations of what was broken on purpose (\(breaking.rawValue))") }
        guard others.isEmpty, options.breaking == nil || !expected.isEmpty else {
            for violation in others.prefix(20) { print("VIOLATION: \(violation)") }
            if others.isEmpty { print("VIOLATION: the check has not found what was broken on purpose") }
            let again = options.breaking.map { " BREAK=\($0.rawValue)" } ?? ""
            print("\(others.count) violations; to repeat the faults: make chaos MINUTES=\(minutes) SEED=\(seed)\(again)")
            print("the logs of the workers, the server and the faults: \(folder.path())")
            exit(1)
        }
        try FileManager.default.removeItem(at: folder)
        print(options.breaking == nil ? "no violation" : "no other violation")
    }
}
