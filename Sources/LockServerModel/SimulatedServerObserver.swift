package import LockCore

/// Is told what a server of the model does, so that a simulation can check it. A server that serves tests has ``ServerRecord``.
package protocol SimulatedServerObserver: AnyObject {
    /// A client has done what it must never do.
    func report(_ violation: String)
    func willRun(_ statement: SimulatedStatement.Own, on session: SimulatedSession)
    /// The server is about to say how many locks there are.
    func willTell(lockCount: Int)
    /// There was no room for a lock.
    func didRefuseForRoom()
    /// - Parameters:
    ///   - before: `nil` if no session had it or waited for it.
    ///   - after: The same.
    func didChange(_ key: AdvisoryKey, from before: SimulatedLock?, to after: SimulatedLock?, lockCount: Int, on server: SimulatedServer)
    func didCommit(_ transaction: Int)

    // MARK: Sessions

    /// A session is about to be ended for its silence. No other session has got what it holds.
    func willExpire(_ session: SimulatedSession)
    func didEnd(_ session: SimulatedSession)
    /// A statement has asked for the release of a lock that the session holds.
    func willUnlock(_ key: AdvisoryKey, on session: SimulatedSession)
    /// A statement releases all that the session holds, which is something.
    func willReleaseAll(of session: SimulatedSession)
    /// The end of a transaction, or of a part of it, has released a lock. Others may hold it before its holder is told.
    ///
    /// - Parameter mode: In which the session holds it still.
    func didRelease(_ key: AdvisoryKey, on session: SimulatedSession, left mode: Mode?)
}
