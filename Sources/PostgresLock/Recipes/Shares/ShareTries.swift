import LockCore

/// Tries several locks in one turn, each for itself: unlike the locks of a set, some of them are kept though others are taken.
struct ShareTries {
    /// The granted locks, by their positions among the keys.
    private(set) var granted: [Int: LockState] = [:]
    /// Why the first of those that failed has failed.
    private(set) var failure: (any Error)?

    /// - Parameter keys: At least one.
    nonisolated(nonsending) init(_ keys: [LockKey], on driver: LockDriver) async {
        let states = keys.map { LockState(key: $0, mode: .exclusive) }
        let limit = WaitLimit(nil, noWait: true, isNested: false, driver.configuration.timeouts, now: driver.now)
        let outcomes = await driver.outcomes(of: states, isCancellable: false) { [deadline = limit.deadline] engine, index, id, now in
            let request = LockTable.Request(keys[index].advisory, .exclusive, noWait: true, deadline: deadline)
            engine.acquire(id, request, deadline: deadline, enclosing: nil, now: now)
        }
        for (index, outcome) in outcomes.enumerated() {
            switch outcome {
            case .granted:
                do {
                    try driver.claim([states[index]])
                    granted[index] = states[index]
                } catch {
                    failure = failure ?? error
                }
            case .refused:
                break
            default:
                failure = failure ?? driver.error(for: outcome, keys: [keys[index]], limit: limit.length)
            }
        }
    }
}
