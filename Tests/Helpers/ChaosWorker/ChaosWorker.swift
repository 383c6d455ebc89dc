import Chaos
import Foundation
import LockCore
import PostgresLock

/// One process of a chaos run. Until a SIGTERM its tasks lock a few contended keys by every method of the library, write to the guarded
/// table under these locks, use the recipes, and log what they do and whether they hold the lock.
///
/// Arguments: a connection string for the locks, through a network with faults; a connection string for the writes, without faults; the
/// path of the log; a name; a seed; the lease in seconds; the limit of handoffs in the process; and, if the locks' servers fail over, the option of
/// ``FailoverBreak``; or the ``ChaosBreak`` by which it breaks a promise on purpose.
@main
struct ChaosWorker {
    static let keys = 10

    static func main() async throws {
        let arguments = CommandLine.arguments
        let option = arguments.count == 9 ? arguments[8] : nil
        let breaking = option.flatMap(ChaosBreak.init(rawValue:))
        let leftOut = FailoverBreak.allCases.first { option == FailoverBreak.workerOption($0) }
        let isFailover = option == FailoverBreak.workerOption(nil) || leftOut != nil
        guard arguments.count == 8 || isFailover || breaking != nil, let seed = UInt64(arguments[5]),
            let lease = Int(arguments[6]), let handoff = Int(arguments[7])
        else {
            print("usage: ChaosWorker LOCKS-URL WRITES-URL LOG NAME SEED LEASE HANDOFF-LIMIT [failover[-without-GUARD] | BREAK]")
            exit(2)
        }
        let profile = isFailover ? WorkerProfile.failover : .chaos
        // The library's log messages and a crash's backtrace go to a file beside the log.
        dup2(open(arguments[3] + ".stderr", O_WRONLY | O_CREAT | O_APPEND, 0o644), STDERR_FILENO)
        let log = try ChaosLog(path: arguments[3])
        log.note(.started(leaseNanoseconds: Int64(lease) * 1_000_000_000))
        let stop = StopRequest()
        var configuration = configuration(arguments[1], arguments[4], lease: lease, handoff: handoff)
        configuration.timeouts = profile.timeouts
        if leftOut == .lease { configuration.lease = nil }
        let locks = try LockManager(configuration: configuration)
        // Their transactions would otherwise wait for connections that the other tasks hold.
        let recipes = try LockManager(configuration: configuration)
        let permits = ChaosRecipe.permits + (breaking == .permits ? 1 : 0)
        let semaphore = try DistributedSemaphore("chaos", limit: permits, locks: recipes)
        let writes = try LockManager(configuration: .init(url: arguments[2] + " application_name='writes of \(arguments[4])'"))
        let table = GuardedTable(writes: writes, worker: arguments[4], refusesLowerTokens: leftOut != .fencing)
        let numbers = Numbers()
        var generator = SplitMix64(seed: seed)
        await withTaskGroup { group in
            for _ in 0..<profile.tasks {
                let task = ChaosTask(
                    locks: locks,
                    table: table,
                    log: log,
                    numbers: numbers,
                    stop: stop,
                    profile: profile,
                    generator: SplitMix64(seed: generator.next())
                )
                group.addTask { await task.run() }
            }
            for work in profile.recipes {
                let task = RecipeTask(
                    locks: recipes,
                    semaphore: semaphore,
                    log: log,
                    numbers: numbers,
                    stop: stop,
                    chance: Chance(SplitMix64(seed: generator.next())),
                    lease: .seconds(lease),
                    breaking: breaking,
                    ownName: "chaos \(arguments[4])"
                )
                group.addTask { await work(task) }
            }
        }
        await locks.shutdown()
        await recipes.shutdown()
        await writes.shutdown()
        log.note(.finished)
    }

    private static func configuration(_ url: String, _ name: String, lease: Int, handoff: Int) -> LockManager.Configuration {
        var configuration = LockManager.Configuration(url: url)
        configuration.applicationName = "chaos \(name)"
        configuration.lease = .seconds(lease)
        configuration.handoff.maximumCount = handoff
        configuration.fencingTokens = true
        configuration.pool.maximumConnections = 5
        return configuration
    }
}
