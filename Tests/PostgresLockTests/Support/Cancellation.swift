/// Waits until the current task is cancelled. (After a loss another thread cancels it.)
///
/// - Returns: Whether that happened within a minute.
nonisolated(nonsending) func becomesCancelled() async -> Bool {
    let limit = ContinuousClock.now + .seconds(60)
    while !Task.isCancelled, ContinuousClock.now < limit { try? await Task.sleep(for: .milliseconds(5)) }
    return Task.isCancelled
}
