import ArgumentParser
import Foundation

/// `lock-bench worker`: runs one contender in a process of its own, so that its memory and processor time are separate. Prints one
/// line of JSON.
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Run as a contender. Only lock-bench itself calls this.",
        shouldDisplay: false
    )

    @Argument
    var kind: WorkerKind

    @Option
    var url = ""

    @Option
    var tasks = 1000

    @Option
    var seconds = 1.5

    @Option(help: "The number of further locks to hold during the measurement.")
    var held = 0

    @Option(help: "How long a mutex in memory keeps a thread busy for each handoff, in microseconds.")
    var work = 0.0

    @Option(help: "The start of the measurement, in seconds since 1970. After the warm-up if it is not given.")
    var start: Double?

    @Option(help: "The main process of the server whose processor time is measured.")
    var server: Int32?

    func run() async throws {
        let values: [String: Double]
        switch kind {
        case .handover: return try await HandoverWorker(url: url).acquiring()
        case .handoverScoped: return try await HandoverWorker(url: url).scoped()
        case .bareHandover: return try bareWorker.handover()
        case .spinner: return SpinnerWorker().run()
        case .distinct: values = try await library().distinct(tasks: tasks, held: held)
        case .single: values = try await library().distinct(tasks: 1, held: 0)
        case .singleScoped: values = try await library().scoped()
        case .singleUnawaited: values = try await library().unawaited()
        case .singleScopedUnawaited: values = try await library().scoped(awaitsRelease: false)
        case .handoff: values = try await library().handoff(tasks: tasks, isUnlimited: false)
        case .handoffUnlimited: values = try await library().handoff(tasks: tasks, isUnlimited: true)
        case .loss: values = try await LossWorker(url: url).run()
        case .bare: values = try bareWorker.pairs()
        case .arrays: values = try ArrayWorker(url: url, seconds: seconds, server: server, isCounted: false).run()
        case .countedArrays: values = try ArrayWorker(url: url, seconds: seconds, server: server, isCounted: true).run()
        case .mutex: values = try await mutexWorker.handoff(AsyncMutex(), tasks: tasks)
        case .actorMutex: values = try await mutexWorker.handoff(ActorMutex(), tasks: tasks)
        case .suspended: values = try await CrowdWorker(url: url, size: tasks).suspended()
        case .crowdOneKey: values = try await CrowdWorker(url: url, size: tasks).waiting(keys: 1)
        case .crowdManyKeys: values = try await CrowdWorker(url: url, size: tasks).waiting(keys: tasks)
        }
        print(String(decoding: try JSONEncoder().encode(values), as: UTF8.self))
    }

    private var measurement: Measurement {
        Measurement(seconds: seconds, start: start, server: server)
    }

    private var bareWorker: BareWorker {
        BareWorker(url: url, seconds: seconds, server: server)
    }

    private var mutexWorker: MutexWorker {
        MutexWorker(measurement: measurement, work: work)
    }

    private func library() -> LibraryWorker {
        LibraryWorker(url: url, measurement: measurement)
    }
}
