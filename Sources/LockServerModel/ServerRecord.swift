package import LockCore

/// Keeps what a server has seen of its clients.
package final class ServerRecord: SimulatedServerObserver {
    /// What they must never do.
    package private(set) var violations: [String] = []
    package private(set) var commitCount = 0

    package init() {}

    package func report(_ violation: String) { violations.append(violation) }
    package func didCommit(_ transaction: Int) { commitCount += 1 }

    package func willRun(_ statement: SimulatedStatement.Own, on session: SimulatedSession) {}
    package func willTell(lockCount: Int) {}
    package func didRefuseForRoom() {}
    package func didChange(
        _ key: AdvisoryKey,
        from before: SimulatedLock?,
        to after: SimulatedLock?,
        lockCount: Int,
        on server: SimulatedServer
    ) {}
    package func willExpire(_ session: SimulatedSession) {}
    package func didEnd(_ session: SimulatedSession) {}
    package func willUnlock(_ key: AdvisoryKey, on session: SimulatedSession) {}
    package func willReleaseAll(of session: SimulatedSession) {}
    package func didRelease(_ key: AdvisoryKey, on session: SimulatedSession, left mode: Mode?) {}
}
