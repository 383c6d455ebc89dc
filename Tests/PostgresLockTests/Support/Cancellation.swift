/// Waits until the current task is cancelled. (After a loss another thread cancels it.)
///
/// - Returns: Whether that happened within some seconds.
nonisolated(nonsending) func becomesCancelled() async -> Bool {
    let limit = ContinuousClock.now + .seconds(20)
    while !Task.isCancelled, ContinuousClock.now < limit { await Task.yield() }
    return Task.isCancelled
}
