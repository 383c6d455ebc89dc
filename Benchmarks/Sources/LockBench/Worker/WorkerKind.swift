import ArgumentParser

/// What this program does when it is started as a contender.
enum WorkerKind: String, CaseIterable, ExpressibleByArgument, Sendable {
    // This library.
    case distinct
    case single
    case singleScoped = "single-scoped"
    case singleUnawaited = "single-unawaited"
    case singleScopedUnawaited = "single-scoped-unawaited"
    case handoff
    case handoffUnlimited = "handoff-unlimited"
    case handover
    case handoverScoped = "handover-scoped"
    case loss
    // Contenders to compare it with.
    case bare
    case bareHandover = "bare-handover"
    case arrays
    case countedArrays = "counted-arrays"
    case mutex
    case actorMutex = "actor-mutex"
    // Not a contender: keeps a core awake.
    case spinner
    // Memory of waiting tasks.
    case suspended
    case crowdOneKey = "crowd-one-key"
    case crowdManyKeys = "crowd-many-keys"
}
